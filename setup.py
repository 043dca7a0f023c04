from pathlib import Path

from setuptools import find_packages, setup

about: dict[str, str] = {}
exec(Path("wanderer_twisted/__init__.py").read_text("utf-8"), about)

setup(
    name="wanderer-twisted",
    version=about["__version__"],
    description="EVE Online killmails as server-sent events: 90 days back, then live",
    long_description=Path("README.rst").read_text("utf-8"),
    long_description_content_type="text/x-rst",
    license="MIT",
    # A plain path entry for editable installs: Twisted finds plugins by listing
    # directories, which setuptools' import finder does not offer.
    package_dir={"": "."},
    packages=[*find_packages(include=["wanderer_twisted*"]), "twisted.plugins"],
    package_data={
        "wanderer_twisted": ["simulator/data/*", "store/*.zdict", "web/static/*"]
    },
    python_requires=">=3.11",
    entry_points={
        "console_scripts": [
            "wanderer-backfill = wanderer_twisted.backfill:main",
            "wanderer-tail = wanderer_twisted.tail.main:main",
        ]
    },
    install_requires=[
        "Twisted[tls]>=26.4",
        "attrs>=24",
        "isal>=1.7",
        "klein>=24.8",
        "msgspec>=0.19",
        "prometheus_client>=0.20",
        "PyYAML>=6",
        "treq>=25.5",
        "zstandard>=0.23",
    ],
    extras_require={
        # Exactly what docs/clients.rst tells of.
        "clients": [
            "aiohttp-sse-client2==0.3.0",
            "httpx-sse==0.4.3",
            "requests-sse==0.5.3",
            "sseclient-py==1.9.0",
        ],
        "dev": [
            "coverage>=7.10",
            "docutils>=0.21",
            "httpx",
            "httpx-sse",
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "jsonschema>=4.23",
            "mypy-zope>=1.0.9",
            "openapi-spec-validator>=0.8",
            "promql-parser>=0.5",
            "ruff>=0.9",
            "schemathesis~=4.32.5",
            "towncrier>=24.8",
            "types-PyYAML",
        ],
        "bench": [
            "aiohttp>=3.10",
            "sse-starlette>=3",
            "uvicorn[standard]>=0.30",
        ],
    },
)
