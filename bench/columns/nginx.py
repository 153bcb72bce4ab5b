"""nginx `proxy_pass`: the least a proxy in another process can cost. One worker, kept connections, no log, no buffering."""

import shutil
import subprocess
import time

from bench.columns.column import Column, Command, Site, descriptors
from bench.proc import tree

CONFIG = """\
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  upstream mock {{
    server 127.0.0.1:{mock_port};
    keepalive 1000;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /ready {{ return 204; }}
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


class Nginx(Column):
    name = "nginx"
    ready_path = "/ready"

    def available(self) -> bool:
        return shutil.which("nginx") is not None

    def version(self) -> str:
        spoken = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
        return spoken.strip().rpartition("/")[2]

    def prepare(self, site: Site) -> None:
        config = CONFIG.format(
            directory=site.directory,
            port=site.port,
            mock_port=site.mock_port,
            descriptors=descriptors(),
            connections=descriptors() * 5 // 4,  # nginx closes resting connections when a sixteenth of these is left
        )
        (site.directory / "nginx.conf").write_text(config)

    def command(self, site: Site) -> Command:
        return Command(
            ["nginx", "-p", site.directory, "-e", site.directory / "error.log", "-c", site.directory / "nginx.conf"]
        )

    def measured(self, pid: int) -> int:
        """The worker; the master sleeps."""
        for _ in range(1000):
            if len(found := tree(pid)) == 2:
                return found[1]
            time.sleep(0.005)
        raise RuntimeError("nginx has no worker")
