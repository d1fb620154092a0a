"""The files to deploy the gateway: valid for their tools, and in agreement with the gateway."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from gateway import __version__
from gateway.settings import load
from tests.docs.pages import PAGES, ROOT

DEPLOY = ROOT / ".github" / "deploy"
CONTAINER = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
UNIT = DEPLOY / "webhook-log-gateway.service"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SECRETS = {
    "github-token": "token",
    "journal-url": "postgresql://gateway:secret@postgres/gateway",
}
"""The secrets that gateway.toml names, by file."""
FOLDER = "/etc/webhook-log-gateway"
METRICS_PORT = 9464
OBSERVABILITY = ROOT / ".github" / "observability"

Absent = Callable[[str], NoReturn]


def passes(*words: str | Path) -> None:
    """Run a linter; fail with what it says unless it is content."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


def program(name: str, absent: Absent) -> str:
    """Return the path of a program of the extra deploy-test."""
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    return found or absent(f"{name} is not installed; the extra deploy-test has it")


def objects(kind: str) -> list[dict[str, Any]]:
    """Return the Kubernetes objects of one kind."""
    texts = [file.read_text(encoding="utf-8") for file in MANIFESTS]
    every = [document for text in texts for document in yaml.safe_load_all(text)]
    return [document for document in every if document["kind"] == kind]


# Validity


@pytest.mark.slow
def test_container_file_satisfies_its_linter(absent: Absent) -> None:
    linter = program("hadolint", absent)
    passes(linter, "--failure-threshold", "info", DEPLOY / "Containerfile")


@pytest.mark.slow
def test_compose_file_has_the_form_of_the_specification(absent: Absent) -> None:
    linter = program("check-jsonschema", absent)
    passes(linter, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.slow
def test_manifests_have_the_form_of_the_kubernetes_api(absent: Absent) -> None:
    passes(program("kubernetes-validate", absent), "--strict", *MANIFESTS)


@pytest.mark.slow
def test_unit_is_valid_and_exposes_little(tmp_path: Path, absent: Absent) -> None:
    analyze = shutil.which("systemd-analyze") or absent("systemd is not installed")
    unit = tmp_path / UNIT.name
    # The command has to exist.
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(re.sub(r"/opt/\S+/gateway ", f"{sys.executable} ", text))
    passes(analyze, "verify", "--man=no", unit)
    passes(analyze, "security", "--offline=true", "--threshold=15", "--no-pager", unit)


@pytest.mark.slow
def test_nginx_accepts_its_file(tmp_path: Path, absent: Absent) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin") or absent(
        "nginx is not installed"
    )
    openssl = shutil.which("openssl") or absent("openssl is not installed")
    site = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    key, certificate = re.findall(r"/etc/nginx/tls/\S+\.(?:key|pem)", site)[::-1]
    made = {key: tmp_path / "key", certificate: tmp_path / "certificate"}
    passes(
        *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-subj", "/CN=hooks.example.com"),
        *("-keyout", made[key], "-out", made[certificate]),
    )
    for path, file in made.items():
        site = site.replace(path, str(file))
    (tmp_path / "site.conf").write_text(site)
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; events {{}} http {{ include {tmp_path}/site.conf; }}")
    passes(nginx, "-t", "-q", "-e", "stderr", "-p", tmp_path, "-c", whole)


# Agreement


def test_commands_of_the_page_are_commands_over_files_that_exist() -> None:
    page = PAGES[".github/docs/deployment.md"]
    for text in page.block_texts("sh"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)  # noqa: S607
    named = set(re.findall(r"\.github/deploy/[\w./-]*", page.text))
    assert len(named) > 4
    for path in named:
        assert (ROOT / path).exists(), path


def test_configuration_of_the_files_is_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, content in SECRETS.items():
        (folder / name).write_text(content)
    shutil.copy(DEPLOY / "gateway.toml", tmp_path)
    settings = load(tmp_path / "gateway.toml", {})
    assert settings.auth.methods == ("api-keys",)
    assert "@postgres/" in settings.journal.url.get_secret_value()
    assert settings.cache.url.get_secret_value() == "redis://valkey:6379/0"
    assert settings.metrics.port == METRICS_PORT
    assert {"valkey", "postgres"} <= COMPOSE["services"].keys()


def test_each_secret_is_a_file_where_the_configuration_expects_it() -> None:
    text = (DEPLOY / "gateway.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'file = "secrets/([^"]+)"', text)) == SECRETS.keys()
    mounted = COMPOSE["services"]["gateway"]["secrets"]
    assert {each["target"] for each in mounted} == {f"{FOLDER}/secrets/{it}" for it in SECRETS}
    assert all(each["source"] in COMPOSE["secrets"] for each in mounted)
    (deployment,) = objects("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (projected,) = (it["projected"] for it in pod["volumes"] if "projected" in it)
    (secret,) = (it["secret"] for it in projected["sources"] if "secret" in it)
    assert {it["path"] for it in secret["items"]} == {f"secrets/{it}" for it in SECRETS}
    assert f"WORKDIR {FOLDER}\n" in CONTAINER


def test_container_runs_without_rights() -> None:
    (deployment,) = objects("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    owner = pod["securityContext"]["runAsUser"]
    assert f"\nUSER {owner}:{owner}\n" in CONTAINER
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert COMPOSE["services"]["gateway"]["read_only"]
    # What the gateway writes to has to be mounted: its journal, and temporary files.
    written = {"/tmp", "/var/lib/webhook-log-gateway"}
    assert written <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_image_has_the_version_of_the_gateway_and_no_registry() -> None:
    (deployment,) = objects("Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"webhook-log-gateway:{__version__}"
    assert COMPOSE["services"]["gateway"]["image"] == container["image"]
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += re.findall(r"^FROM (\S+)", CONTAINER, re.MULTILINE)
    for image in images:
        assert re.fullmatch(r"([a-z]+/)?[a-z-]+:[\w.-]*\d[\w.-]*", image), image


def test_objects_find_one_another() -> None:
    (deployment,) = objects("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (service,), (policy,) = objects("Service"), objects("NetworkPolicy")
    (budget,), (scaler,) = objects("PodDisruptionBudget"), objects("HorizontalPodAutoscaler")
    assert service["spec"]["selector"] == labels
    assert policy["spec"]["podSelector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    # A budget must leave a replica that may go, or no node can be drained.
    assert scaler["spec"]["minReplicas"] > budget["spec"]["maxUnavailable"]


def test_metrics_are_open_to_prometheus_and_to_nobody_else() -> None:
    assert f"\nEXPOSE 8000 {METRICS_PORT}\n" in CONTAINER
    gateway = COMPOSE["services"]["gateway"]
    assert gateway["expose"] == [str(METRICS_PORT)]
    assert not any(str(METRICS_PORT) in port for port in gateway["ports"])
    (deployment,), (service,), (policy,) = map(objects, ("Deployment", "Service", "NetworkPolicy"))
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert METRICS_PORT in [port["containerPort"] for port in container["ports"]]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(METRICS_PORT)
    assert [port["name"] for port in service["spec"]["ports"]] == ["http"]
    callers, prometheus = policy["spec"]["ingress"]
    assert callers["ports"] == [{"port": 8000}]
    assert prometheus["ports"] == [{"port": METRICS_PORT}]
    assert callers["from"] != prometheus["from"]


def files_of(service: str) -> dict[str, Path]:
    """Return the files of the repository that a service of Compose sees, by path in it."""
    volumes = [it.split(":") for it in COMPOSE["services"][service]["volumes"]]
    return {path: DEPLOY / own for own, path, *_ in volumes if own.startswith(".")}


def test_prometheus_reads_the_metrics_and_the_alerts(tmp_path: Path, absent: Absent) -> None:
    files = files_of("prometheus")
    for path, own in files.items():
        shutil.copy(own, tmp_path / Path(path).name)
    assert (tmp_path / "alerts.yml").read_bytes() == (OBSERVABILITY / "alerts.yml").read_bytes()
    configuration = yaml.safe_load((tmp_path / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = configuration["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"gateway:{METRICS_PORT}"]}]
    assert f'job="{job["job_name"]}"' in (tmp_path / "alerts.yml").read_text(encoding="utf-8")
    promtool = shutil.which("promtool") or absent("promtool is not installed; prometheus has it")
    passes(promtool, "check", "config", tmp_path / "prometheus.yml")


def test_grafana_finds_the_dashboard() -> None:
    files = files_of("grafana")
    provisioning = "/etc/grafana/provisioning"
    provider = files[f"{provisioning}/dashboards/gateway.yml"]
    ((only,),) = [yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"]]
    assert f"{provisioning}/datasources/gateway.yml" in files
    folder = only["options"]["path"]
    shown = [own for path, own in files.items() if path.startswith(f"{folder}/")]
    assert [own.resolve() for own in shown] == [OBSERVABILITY / "dashboard.json"]


class Health(http.server.BaseHTTPRequestHandler):
    """Answers each path but ``/healthz`` with 404."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def health() -> Iterator[tuple[type[Health], int]]:
    class Own(Health):
        pass

    with http.server.HTTPServer(("127.0.0.1", 0), Own) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Own, server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_health_check_follows_the_answer(
    health: tuple[type[Health], int], status: int, code: int
) -> None:
    handler, port = health
    handler.status = status
    (command,) = re.findall(r"^ +CMD (\[.*\])$", CONTAINER, re.MULTILINE)
    _, option, text = json.loads(command)
    own = text.replace("8000", str(port))
    assert own != text
    done = subprocess.run([sys.executable, option, own], check=False)  # noqa: S603
    assert done.returncode == code
