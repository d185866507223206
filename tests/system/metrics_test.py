"""What a recorder's watchers see: its metrics, the rules and the dashboard made of them, and its log in the journal.

Judged by Prometheus itself: promtool reads what is served and the rules, and a Prometheus process scrapes a
recorder, loads the rules and answers each query of the dashboard.
"""

import json
import os
import re
import signal as signals
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness import ROOT, STREET_SUB, Process, Site, program, time_text, wait_for

MONITORING = os.path.join(ROOT, "monitoring")
RULES = os.path.join(MONITORING, "lookback-alerts.yml")
RULE_TESTS = os.path.join(MONITORING, "lookback-alerts.test.yml")
DASHBOARD = os.path.join(MONITORING, "lookback-dashboard.json")

# Of the dashboard: what has nothing to show where nothing is wrong, or where there is no TLS.
MAY_BE_EMPTY = {"Certificate expires in", "Packets lost, the ten most"}
SELECTOR = re.compile(r"\b(lookback_\w+|up)\b(?:\{([^}]*)\})?")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def documented():
    """docs/metrics.md: name -> (type, labels)."""
    rows = re.findall(r"(?m)^\| `(lookback_\w+)` \| (\w+) \|([^|]*)\| [^|]+ \|$",
                      read(os.path.join(ROOT, "docs", "metrics.md")))
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def documented_alarms():
    """docs/alarms.md: kind -> severity."""
    rows = re.findall(r"(?m)^\| (`[^|]+`) \| (critical|warning) \|", read(os.path.join(ROOT, "docs", "alarms.md")))
    return {kind: severity for kinds, severity in rows for kind in re.findall(r"`([a-z-]+)`", kinds)}


def parse(text):
    """The text format: name -> type, and name -> its series' labels and values."""
    types = dict(re.findall(r"(?m)^# TYPE (\w+) (\w+)$", text))
    series = {}
    for name, labels, value in re.findall(r"(?m)^(\w+)(?:\{(.*)\})? (\S+)$", text):
        series.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
    return types, series


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, cwd=MONITORING, capture_output=True, text=True,
                          timeout=120)
    return done.returncode, done.stdout + done.stderr


def rules():
    return [rule for group in yaml.safe_load(read(RULES))["groups"] for rule in group["rules"]]


def queries():
    """Of the dashboard: (title of the panel, expression, labels that its legend names)."""
    for panel in json.loads(read(DASHBOARD))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))


def label_names(matchers):
    return set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers or ""))


class Rules(unittest.TestCase):
    def test_prometheus_takes_the_rules_and_they_say_what_is_expected_of_them(self):
        for command in (("check", "rules", RULES), ("test", "rules", RULE_TESTS)):
            code, said = promtool(*command)
            self.assertEqual(code, 0, said)

    def test_each_rule_is_seen_to_fire_and_not_to_fire(self):
        fired, quiet_metrics = set(), set()
        for test in yaml.safe_load(read(RULE_TESTS))["tests"]:
            expected = [sample for check in test["promql_expr_test"] for sample in check["exp_samples"]]
            fired |= {re.search(r'alertname="(\w+)"', sample["labels"]).group(1) for sample in expected}
            if not expected:
                quiet_metrics |= {series["series"].split("{")[0] for series in test["input_series"]}
        self.assertEqual(fired, {rule["alert"] for rule in rules()})
        for rule in rules():
            for name, _ in SELECTOR.findall(rule["expr"]):
                self.assertIn(name, quiet_metrics, f"{rule['alert']} is never quiet with {name} there")

    def test_alarms_of_the_recorder_have_one_rule_each_of_the_same_severity(self):
        alarms = documented_alarms()
        self.assertGreater(len(alarms), 15)
        told = {}
        for rule in rules():
            if "lookback_alarm_standing" not in rule["expr"]:
                continue
            equal = re.search(r'kind=~?"([^"]+)"', rule["expr"])
            if not equal:
                others = re.search(r'kind!~"([^"]+)"', rule["expr"]).group(1).split("|")
                self.assertEqual(sorted(others), sorted(alarms))
                continue
            for kind in equal.group(1).split("|"):
                self.assertNotIn(kind, told)
                told[kind] = rule["labels"]["severity"]
        self.assertEqual(told, alarms)

    def test_each_says_how_grave_it_is_and_what_to_do_in_a_place_that_exists(self):
        for rule in rules():
            with self.subTest(rule["alert"]):
                self.assertRegex(rule["labels"]["severity"], r"^(critical|warning|\{\{ \$labels\.severity \}\})$")
                self.assertTrue(rule["annotations"]["summary"].endswith("."), rule["annotations"]["summary"])
                places = re.findall(r"((?:docs|monitoring)/\w+\.md)(?:#([\w-]+))?",
                                    rule["annotations"]["description"])
                self.assertTrue(places)
                for page, anchor in places:
                    heads = re.findall(r"(?m)^#+ (.*)$", read(os.path.join(ROOT, page)))
                    anchors = {re.sub(r"[^\w-]", "", head.lower().replace(" ", "-")) for head in heads}
                    self.assertIn(anchor or next(iter(anchors)), anchors)


class Prometheus:
    """A Prometheus that asks a recorder each second, and knows the rules."""

    def __init__(self, site):
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [RULES],
                  "scrape_configs": [{"job_name": "lookback", "static_configs": [
                      {"targets": [site.server.removeprefix("http://")]}]}]}
        with open(site.path("prometheus.yml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)
        self.process = Process(
            "prometheus",
            ["prometheus", "--config.file", site.path("prometheus.yml"), "--storage.tsdb.path",
             site.path("prometheus"), "--web.listen-address", "127.0.0.1:0"], site.directory)

    def __enter__(self):
        address = wait_for("Prometheus listens", lambda: re.search(
            r'msg="Listening on" address=(\S+)', self.process.errors()))
        self.url = "http://" + address.group(1)
        return self

    def __exit__(self, *_):
        self.process.stop(signals.SIGTERM)

    def get(self, path, **query):
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{query}: {error.read().decode()}") from None

    def query(self, expression):
        return self.get("/api/v1/query", query=expression)["data"]["result"]


class Served(unittest.TestCase):
    """A recorder with all that there are metrics of: two streams, a camera that is down, something held,
    damage, a webhook, a promise that cannot be kept."""

    def prepare(self, site):
        for name in ("v1", "v2"):
            os.mkdir(site.path(name))
        self.options = ["--volume", site.path("v1"), "--volume", site.path("v2"), "--webhook", "http://127.0.0.1:9/"]
        site.start_cameras("--sub-footage", STREET_SUB)
        site.start_recorder(*self.options)
        url = site.urls["cam1"]
        site.run("camera", "add", "cam1", url, "--sub-url", url + "/sub")
        site.run("camera", "add", "off", url)
        site.run("camera", "set", "off", "--disable")
        site.run("camera", "add", "gone", "rtsp://127.0.0.1:9/street")
        site.run("retention", "set", "default", "--target-days", "36500", "--yes")
        start, end = site.await_span("cam1", seconds=6)
        site.run("hold", "add", "--camera", "cam1", "--start", time_text(start), "--end", time_text(end),
                 "--case", "2026-114")
        site.stop_recorder()
        self.damage(site)

    def damage(self, site):
        files = [os.path.join(here, name) for volume in ("v1", "v2")
                 for here, _, names in os.walk(site.path(f"{volume}/v1/cam1")) for name in names
                 if name.endswith(".mp4")]
        path = max(files, key=os.path.getsize)
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 0xFF]))

    def test_what_is_served_is_what_is_documented_and_what_rules_and_dashboard_ask_for(self):
        with Site() as site:
            self.prepare(site)
            site.start_recorder(*self.options)
            site.run("scrub", "--now", "--wait", ok=(0, 1))
            with Prometheus(site) as prometheus:
                wanted = set(documented()) - {"lookback_certificate_remaining_seconds"}
                text = self.await_all(site, wanted)
                self.check_text(text, wanted)
                self.check_asked(parse(text)[1])
                self.check_rules(prometheus)
                self.check_dashboard(prometheus)

    def await_all(self, site, wanted):
        """The held segments are counted once a minute, and the forecast is made then."""
        def probe():
            text = site.http("/metrics")[2].decode()
            self.missing = wanted - set(parse(text)[0])
            return not self.missing and text
        try:
            return wait_for("every documented metric is served", probe, limit_s=120)
        except AssertionError as error:
            raise AssertionError(f"{error}: {sorted(self.missing)}") from None

    def check_text(self, text, wanted):
        self.assertEqual(promtool("check", "metrics", text=text), (0, ""))
        types, series = parse(text)
        self.assertEqual(set(types), wanted)
        for name, (kind, labels) in documented().items():
            if name not in wanted:
                continue
            self.assertEqual(types[name], kind, name)
            self.assertEqual({frozenset(each) for each, _ in series[name]}, {labels}, name)
            self.assertRegex(text, rf"(?m)^# HELP {name} \S")

        def value(name, **labels):
            return next(number for each, number in series[name] if labels.items() <= each.items())
        self.assertEqual([value("lookback_camera_enabled", camera=camera) for camera in ("cam1", "off", "gone")],
                         [1, 0, 1])
        self.assertEqual([value("lookback_camera_recording", camera=camera) for camera in ("cam1", "off", "gone")],
                         [1, 0, 0])
        self.assertEqual(value("lookback_alarm_standing", kind="camera-down", subject="gone"), 1)
        self.assertEqual(value("lookback_alarms", kind="camera-down", acknowledged="no"), 1)
        # A hundred years are promised, and the disk of this machine is smaller.
        self.assertLess(value("lookback_promise_remaining_seconds"), 36500 * 86400)
        for call in ("write", "sync"):
            calls, lasted = (sum(number for _, number in series[f"lookback_volume_{what}_total"])
                             for what in (f"{call}s", f"{call}_seconds"))
            self.assertGreater(calls, 3)
            self.assertGreater(lasted, 0)
            self.assertLess(lasted / calls, 10)

    def check_asked(self, series):
        """Each metric that a rule or a panel names is there, with the labels by which it is asked for."""
        served = {name: set().union(*(set(labels) for labels, _ in each)) for name, each in series.items()}
        served["lookback_certificate_remaining_seconds"] = set()
        served["up"] = set()
        asked = [(rule["alert"], rule["expr"], re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
                 for rule in rules()]
        self.assertGreater(len(asked), 20)
        for what, expression, shown in [*asked, *queries()]:
            names = SELECTOR.findall(expression)
            self.assertTrue(names, what)
            there = {"instance", "job"}
            for name, matchers in names:
                self.assertIn(name, served, what)
                there |= served[name]
                self.assertLessEqual(label_names(matchers), served[name] | {"instance", "job"}, what)
            grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
            wanted = {label.strip() for group in grouped for label in group.split(",")} | set(shown)
            self.assertLessEqual(wanted, there, what)

    def check_rules(self, prometheus):
        loaded = [rule for group in prometheus.get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
        self.assertEqual({rule["name"] for rule in loaded}, {rule["alert"] for rule in rules()})
        self.assertEqual([rule["lastError"] for rule in loaded if rule.get("lastError")], [])
        # What has to be told of this recorder, in words.
        alerts = wait_for("the damage is told", lambda: [
            alert for alert in prometheus.get("/api/v1/alerts")["data"]["alerts"]
            if alert["labels"]["alertname"] == "LookbackFootageDamaged" and alert["state"] == "firing"])
        self.assertEqual(alerts[0]["annotations"]["summary"], "Footage of cam1 is damaged or gone.")
        self.assertEqual(alerts[0]["labels"]["severity"], "critical")

    def check_dashboard(self, prometheus):
        instance = prometheus.query("lookback_build_info")[0]["metric"]["instance"]

        def empty():
            found = set()
            for title, expression, _ in queries():
                expression = expression.replace("$instance", instance).replace("$__rate_interval", "10s")
                if not prometheus.query(expression):
                    found.add(title)
            return found
        # Rates want a few scrapes.
        wait_for("the dashboard shows something", lambda: empty() <= MAY_BE_EMPTY)
        down = [result["metric"]["camera"] for title, expression, _ in queries()
                if title == "Streams that are not recorded"
                for result in prometheus.query(expression.replace("$instance", instance))]
        self.assertEqual(down, ["gone"])

    def test_how_long_the_certificate_is_good(self):
        with Site() as site:
            files = [site.path("server.crt"), site.path("server.key")]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                            "-noenc", "-days", "9", "-subj", "/CN=recorder", "-out", files[0], "-keyout", files[1]],
                           check=True, capture_output=True, timeout=60)
            ends = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", files[0]], check=True,
                                  capture_output=True, text=True, timeout=60).stdout.strip().split("=")[1]
            site.start_recorder("--tls-certificate", files[0], "--tls-key", files[1])
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with urllib.request.urlopen(site.server + "/metrics", timeout=60, context=context) as answer:
                text = answer.read().decode()
            self.assertEqual(promtool("check", "metrics", text=text), (0, ""))
            remaining = parse(text)[1]["lookback_certificate_remaining_seconds"][0][1]
            self.assertAlmostEqual(remaining, ssl.cert_time_to_seconds(ends) - time.time(), delta=60)


class Journal(unittest.TestCase):
    """JOURNAL_STREAM says which stream is the journal (systemd.exec(5)); a file stands for it here."""

    def log_of(self, site, environment):
        with open(site.path("log"), "wb") as log:
            found = os.fstat(log.fileno())
            environment = {name: value.format(device=found.st_dev, inode=found.st_ino)
                           for name, value in environment.items()}
            serve = subprocess.Popen(
                [program("lookback"), "serve", "--data", site.path("other"), "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env={**{name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"},
                     **environment})
            try:
                self.assertIn(b"listening", serve.stdout.readline())
            finally:
                serve.terminate()
                serve.wait(30)
                serve.stdout.close()
            refused = subprocess.run(
                [program("lookback"), "serve", "--data", site.path("other"), "--listen", "nowhere"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, timeout=30,
                env={**os.environ, **environment})
            self.assertEqual(refused.returncode, 2)
        return read(site.path("log")).splitlines()

    def test_each_line_tells_the_journal_how_grave_it_is(self):
        with Site() as site:
            lines = self.log_of(site, {"JOURNAL_STREAM": "{device}:{inode}"})
            self.assertGreater(len(lines), 2)
            for line in lines[:-1]:
                self.assertRegex(line, r"^<[46]>[a-z ]+: \S")
            self.assertRegex(lines[-1], r'^<3>lookback: --listen: "nowhere"')

    def test_elsewhere_lines_have_their_time_and_no_prefix(self):
        with Site() as site:
            for environment in ({}, {"JOURNAL_STREAM": "{device}:1"}):
                lines = self.log_of(site, environment)
                for line in lines[:-1]:
                    self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warning) [a-z ]+: \S")
                self.assertTrue(lines[-1].startswith('lookback: --listen: "nowhere"'), lines[-1])


if __name__ == "__main__":
    unittest.main()
