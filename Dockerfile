# One image for every part: web, worker, timer, migrate. Secrets come as files (LOCKSTEP_..._FILE), the configuration as
# a file mounted at /etc/lockstep/lockstep.toml.

FROM python:3.11-slim AS build
COPY . /src
RUN python -m venv /opt/lockstep && /opt/lockstep/bin/pip install --no-cache-dir --disable-pip-version-check /src

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
