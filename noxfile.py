"""Every check of this project: plain ``nox`` runs what CI runs, the other sessions run by name (``nox --list``)."""

from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "checks"]


def install(session: nox.Session, *requirements: str) -> None:
    """Install with the tested versions; the pinned torch also keeps pip from fetching a larger, newer build."""
    session.install("-c", "constraints.txt", *requirements)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and the layers (import-linter)."""
    install(session, "ruff", "import-linter")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict."""
    install(session, "-e", ".[types]")
    session.run("mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Laws, contracts and small whole runs, on two processes of one torch thread each."""
    install(session, "-e", ".[test]")
    session.run(
        "pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "--durations=12", *session.posargs
    )


@nox.session
def smoke(session: nox.Session) -> None:
    """The quickstart study at its smallest budget, then its report again from the records alone."""
    install(session, "-e", ".")
    with TemporaryDirectory() as runs:
        sweep = ("python", "-m", "experiments.sweep", "quickstart", "--budget", "smoke")
        session.run(*sweep, "--runs", runs, *session.posargs)
        session.run("python", "-m", "reports", runs, "--out", f"{runs}/report")


@nox.session
def checks(session: nox.Session) -> None:
    """``smoke`` before any extra is there, then ``types`` and ``tests``, in one environment: torch takes minutes."""
    for check in (smoke, types, tests):
        check(session)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it, and call its command away from the checkout."""
    with TemporaryDirectory() as folder:
        session.run("python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ".")
        install(session, *map(str, Path(folder).glob("*.whl")))
        with session.chdir(folder):
            session.run("fusemorph", *(session.posargs or ["--version"]))
            session.run("fusemorph", "register", "--help")
            session.run("fusemorph", "sweep", success_codes=[2])  # says that it needs the checkout


@nox.session
def slow(session: nox.Session) -> None:
    """Tests that train for minutes."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Hundreds of malformed images, tables, records and settings, drawn by a seed, for check, register and sweep."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "fuzz", "tests/fuzz", *session.posargs)


@nox.session
def images(session: nox.Session) -> None:
    """Known figures on the real images, found where FUSEMORPH_DATA says or in ``../shared/data``."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "images", *session.posargs)


@nox.session
def classical(session: nox.Session) -> None:
    """The classical methods on their packages, antspyx in an environment of its own; NiftyReg is compiled (C++)."""
    install(session, "-e", ".[classical,test]")
    ants = Path(session.create_tmp()).absolute() / "antspyx"
    session.run("python", "-m", "venv", str(ants))
    session.run(str(ants / "bin" / "pip"), "install", "antspyx==0.6.3", external=True)
    session.install("niftyreg==1.5.70rc1", env={"CMAKE_POLICY_VERSION_MINIMUM": "3.5"})
    binaries = session.run("python", "-c", "import niftyreg; print(niftyreg.bin_path)", silent=True)
    places = {"FUSEMORPH_INTERPRETERS": str(ants / "bin" / "python"), "FUSEMORPH_NIFTYREG": str(binaries).strip()}
    session.run("pytest", "-m", "classical", *session.posargs, env=places)


@nox.session
def docs(session: nox.Session) -> None:
    """The reference from docstrings, by pdoc, into docs/reference; offline, and warnings are errors."""
    install(session, "-e", ".[docs]")
    session.run("python", "docs/make_reference.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The report's page in Debian's headless Chromium: offline, both themes, on paper, by keyboard."""
    install(session, "-e", ".[test,browser]")
    session.run("pytest", "-m", "browser", *session.posargs)


@nox.session
def submit(session: nox.Session) -> None:
    """``ray submit`` from end to end, over an sshd on loopback; needs Debian's openssh-server and rsync."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "slow", "tests/experiments/test_submit.py", *session.posargs)


@nox.session
def trackers(session: nox.Session) -> None:
    """Exports for MLflow and Weights & Biases, read back by their own libraries."""
    install(session, "-e", ".[mlflow,test,wandb]")
    session.run("pytest", "-m", "trackers", "tests/experiments/test_trackers.py", *session.posargs)


@nox.session
def hosts(session: nox.Session) -> None:
    """A sweep over three hosts that are cut off and killed, each a network namespace with an sshd; needs root."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "hosts", "tests/experiments/test_hosts.py", "-s", *session.posargs)


@nox.session
def gpu(session: nox.Session) -> None:
    """The first day with a card: tests that need a CUDA device and a torch built for it, then its table of figures."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "gpu", *session.posargs)
    session.run("python", "-m", "tests.benchmarks.day_one")


@nox.session
def bench(session: nox.Session) -> None:
    """Speed and memory as ratios, each from one run (pytest-benchmark)."""
    install(session, "-e", ".[test]")
    session.run("pytest", "tests/benchmarks", "-m", "not gpu and not peers", "-s", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """Our VoxelMorph beside voxelmorph 0.3.4 and MONAI, time and memory as ratios; the largest size takes minutes."""
    install(session, "-e", ".[peers,test]")
    session.run("pytest", "tests/benchmarks/test_peers.py", "-m", "peers", "-s", *session.posargs)
