#!/usr/bin/env python3
"""The same bytes over HTTP and TLS, from Lookback and from nginx: what a gigabyte costs each of them.

    bench/against_nginx.py [--build DIR] [--rounds N]

An hour of footage is made, and taken once as a clip into a file, which nginx serves with sendfile (its
usual settings, one worker, open_file_cache). Then curl takes that hour from both in turn, over plain HTTP/1.1, over TLS with
HTTP/1.1 and over TLS with HTTP/2, and pieces of a megabyte from chance places on a kept connection. Printed are medians:
megabytes a second, CPU seconds of the server's process a gigabyte, and their ratios, Lookback to nginx. Lookback reads the
camera's fragments, verifies each, and puts each access on record; nginx sends one finished file.
Needs nginx (Debian's nginx-core); all listens on loopback.
"""

import argparse
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests", "system"))

START = "2026-05-04T22:00:00Z"
HOUR_S = 3600
PIECES = 200
PIECE_BYTES = 1 << 20
GB = 1e9

CONFIG = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log; user root;
events {{ worker_connections 1024; }}
http {{
  access_log {dir}/access.log; sendfile on; tcp_nopush on; open_file_cache max=16;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d;
  scgi_temp_path {dir}/e;
  server {{ listen 127.0.0.1:{plain}; root {dir}/www; keepalive_requests 100000; }}
  server {{ listen 127.0.0.1:{tls} ssl http2; root {dir}/www; keepalive_requests 100000;
            ssl_certificate {dir}/live.crt; ssl_certificate_key {dir}/live.key; }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_of(pid):
    """It and its children."""
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [pid] + [int(line) for line in done.stdout.split()]


class Curl:
    """Takes what there is at a URL; what that cost."""

    def __init__(self, token):
        self.options = ["curl", "-sS", "--fail", "--noproxy", "*", "--insecure", "-H", f"Authorization: Bearer {token}"]

    def take(self, pid, url, *options):
        before = sum(cpu_seconds(one) for one in processes_of(pid))
        began = time.monotonic()
        done = subprocess.run([*self.options, *options, "-o", "/dev/null", "-w", "%{size_download}\n", url],
                              capture_output=True, text=True, check=True)
        took = time.monotonic() - began
        used = sum(cpu_seconds(one) for one in processes_of(pid)) - before
        gigabytes = sum(int(line) for line in done.stdout.split()) / GB
        return gigabytes, gigabytes * 1000 / took, used / gigabytes

    def pieces(self, pid, url, size, seed, config):
        choice = random.Random(seed)
        with open(config, "w", encoding="ascii") as file:
            for number in range(PIECES):
                first = choice.randrange(size - PIECE_BYTES)
                file.write(f'{"next" if number else ""}\nurl = "{url}"\nrange = {first}-{first + PIECE_BYTES - 1}\n'
                           f'output = "/dev/null"\nwrite-out = "%{{size_download}}\\n"\n'
                           f'silent\nfail\ninsecure\nnoproxy = "*"\nheader = "{self.options[-1]}"\n')
        before = sum(cpu_seconds(one) for one in processes_of(pid))
        began = time.monotonic()
        done = subprocess.run(["curl", "-K", config], capture_output=True, text=True, check=True)
        took = time.monotonic() - began
        used = sum(cpu_seconds(one) for one in processes_of(pid)) - before
        gigabytes = sum(int(line) for line in done.stdout.split()) / GB
        assert round(gigabytes * GB) == PIECES * PIECE_BYTES, done.stdout[-200:]
        return gigabytes, gigabytes * 1000 / took, used / gigabytes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", help="build/release, or as LOOKBACK_BUILD says")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.build:
        os.environ["LOOKBACK_BUILD"] = os.path.abspath(arguments.build)
    if not shutil.which("nginx"):
        sys.exit("bench/against_nginx.py: there is no nginx; Debian has it as nginx-core")
    measure(arguments.rounds)


def measure(rounds):
    with Site() as site:
        subprocess.run([program("make_store"), "--data", site.data, "--footage", STREET, "--start", START, "--seconds",
                        str(HOUR_S)], check=True, stderr=subprocess.DEVNULL)
        certificate, key = Authority(site.directory).issue("live", 1)
        site.start_recorder()
        plain_url = site.server
        os.mkdir(site.path("www"))
        clip, _ = site.clip("cam1", time_us(START), time_us(START) + HOUR_S * US, name="www/hour.mp4")
        size = os.path.getsize(clip)
        ports = {"plain": free_port(), "tls": free_port()}
        with open(site.path("nginx.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(dir=site.directory, **ports))
        nginx = Process("nginx", ["nginx", "-e", site.path("nginx-error.log"), "-c", site.path("nginx.conf")],
                        site.directory)
        try:
            wait_for("nginx", lambda: os.path.exists(site.path("nginx.pid")))
            with open(site.token_file, encoding="ascii") as file:
                curl = Curl(file.read().strip())
            print(f"one hour, {size / 1e6:.0f} MB; medians of {rounds} rounds; Lookback and nginx {version_of_nginx()}")
            query = f"/api/v1/cameras/cam1/clip.mp4?start={START}&end={time_text(time_us(START) + HOUR_S * US)}"
            compare(site, curl, nginx, "plain", plain_url + query, f"http://127.0.0.1:{ports['plain']}/hour.mp4", rounds,
                    ["--http1.1"])
            compare_pieces(site, curl, nginx, "plain, 1 MB pieces", plain_url + query,
                           f"http://127.0.0.1:{ports['plain']}/hour.mp4", size, rounds)
            site.stop_recorder()
            site.start_recorder("--tls-certificate", certificate, "--tls-key", key)
            other = f"https://127.0.0.1:{ports['tls']}/hour.mp4"
            compare(site, curl, nginx, "TLS, HTTP/1.1", site.server + query, other, rounds, ["--http1.1"])
            compare(site, curl, nginx, "TLS, HTTP/2", site.server + query, other, rounds, ["--http2"])
            site.stop_recorder()
        finally:
            nginx.stop()


def version_of_nginx():
    return re.search(r"nginx/(\S+)", subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr).group(1)


def compare(site, curl, nginx, what, ours, theirs, rounds, options):
    report(what, [(curl.take(site.recorder.pid, ours, *options), curl.take(nginx.pid, theirs, *options))
                  for _ in range(rounds)])


def compare_pieces(site, curl, nginx, what, ours, theirs, size, rounds):
    config = site.path("curl.conf")
    report(what, [(curl.pieces(site.recorder.pid, ours, size, number, config),
                   curl.pieces(nginx.pid, theirs, size, number, config)) for number in range(rounds)])


def report(what, rounds):
    speed = [statistics.median(one[side][1] for one in rounds) for side in (0, 1)]
    cost = [statistics.median(one[side][2] for one in rounds) for side in (0, 1)]
    print(f"{what:20} {speed[0]:7.0f} {speed[1]:7.0f} MB/s, ratio {speed[0] / speed[1]:.2f};  "
          f"{cost[0]:.3f} {cost[1]:.3f} CPU s/GB, ratio {cost[0] / max(cost[1], 1e-9):.2f}", flush=True)


if __name__ == "__main__":
    from harness import STREET, US, Process, Site, program, time_text, time_us, wait_for
    from http_test import Authority
    from load import cpu_seconds
    main()
