"""`wsgi:app`: the hub's web (webhooks, API, health), for any WSGI server."""

from hub import logs
from hub.settings.load import load
from workers.bootstrap import web_app

logs.configure(load().log_level)
app = web_app()
