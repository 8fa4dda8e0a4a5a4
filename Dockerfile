# One image for every part: web, worker, timer, migrate. Secrets are read from files (LOCKSTEP_..._FILE), the
# configuration from a file mounted at /etc/lockstep/lockstep.toml.
#
#   docker build -t lockstep-hub .                                      every vendor
#   docker build -t lockstep-hub --build-arg EXTRAS=pagerduty,jira .    a slim image: only these; others are left out and reported

FROM python:3.11-slim AS build
ARG EXTRAS=all
WORKDIR /src
COPY requirements.build.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.build.lock
ENV UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON=/opt/lockstep/bin/python

# The dependencies, in a layer of their own, which is rebuilt only when the lock or EXTRAS changes.
COPY pyproject.toml requirements.lock ./
COPY .ci/install.py .ci/
RUN python -m venv --without-pip /opt/lockstep \
    && python .ci/install.py --extras "$EXTRAS" --print > chosen.txt \
    && /opt/build/bin/uv pip install --require-hashes --build-constraints requirements.build.lock -r chosen.txt \
    && /opt/lockstep/bin/python .ci/install.py --compile

# The hub itself.
COPY README.md LICENSE wsgi.py ./
COPY hub hub
COPY adapters adapters
COPY mappings mappings
COPY workers workers
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/build/bin/uv pip install --no-deps --compile-bytecode dist/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin lockstep \
    && install -d -o lockstep -g lockstep -m 0700 /var/lib/lockstep
COPY --from=build /opt/lockstep /opt/lockstep
ENV PATH=/opt/lockstep/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOCKSTEP_CONFIG=/etc/lockstep/lockstep.toml \
    LOCKSTEP_DATA=/var/lib/lockstep
USER lockstep
WORKDIR /var/lib/lockstep
VOLUME /var/lib/lockstep
EXPOSE 8080
ENTRYPOINT ["lockstep"]
CMD ["web", "--host", "0.0.0.0", "--port", "8080"]
