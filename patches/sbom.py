"""
Describe a wheel for scanners: a software bill of materials, in the format
CycloneDX.
"""

import json
import re
import uuid

TRACKER = "https://code.djangoproject.com"
LICENSES = [{"license": {"id": "BSD-3-Clause"}}]


def make_sbom(wheel_version, upstream, commits, patches):
    """
    upstream is a dict of the version, the URL and, of a release, the SHA-256
    of the Django that the series is applied to. Commits are pairs of a hash
    and a subject, patches the paths of their files. The same arguments give
    the same text.
    """
    component = describe_django(upstream)
    build = {
        "type": "framework",
        "bom-ref": "build",
        "name": "Django",
        "version": wheel_version,
        "purl": f"pkg:pypi/django@{wheel_version.replace('+', '%2B')}",
        "description": (
            f"Django {upstream['version']} with {len(patches)} patches of "
            f"fastmigrations"
        ),
        "licenses": LICENSES,
        "pedigree": {
            "ancestors": [{**component, "bom-ref": "ancestor"}],
            "commits": [
                {"uid": commit, "message": subject} for commit, subject in commits
            ],
            "patches": [
                describe_patch(path, subject)
                for path, (_, subject) in zip(patches, commits)
            ],
        },
    }
    identity = json.dumps([component, build])
    sbom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {"component": build},
        # Vulnerabilities are published for upstream's version.
        "components": [component],
        "dependencies": [
            {"ref": "build", "dependsOn": ["upstream"]},
            {"ref": "upstream"},
        ],
    }
    return json.dumps(sbom, indent=2) + "\n"


def describe_django(upstream):
    component = {
        "type": "framework",
        "bom-ref": "upstream",
        "name": "Django",
        "version": upstream["version"],
        "purl": f"pkg:pypi/django@{upstream['version']}",
        "licenses": LICENSES,
    }
    reference = {"url": upstream["url"], "type": upstream["type"]}
    if "sha256" in upstream:
        reference["hashes"] = [{"alg": "SHA-256", "content": upstream["sha256"]}]
    return {**component, "externalReferences": [reference]}


def describe_patch(path, subject):
    """A patch, with the tickets that its subject names."""
    patch = {"type": "unofficial", "diff": {"url": path}}
    tickets = re.findall(r"#(\d+)", subject.partition(" -- ")[0])
    if tickets:
        patch["resolves"] = [
            {
                "type": "enhancement",
                "id": ticket,
                "source": {"name": "Django", "url": f"{TRACKER}/ticket/{ticket}"},
            }
            for ticket in tickets
        ]
    return patch
