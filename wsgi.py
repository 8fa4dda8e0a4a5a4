"""`wsgi:app`: the web side of the hub, for any WSGI server."""

from hub import logs
from workers.bootstrap import web_app

logs.configure()
app = web_app()
