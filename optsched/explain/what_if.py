"""Edits of an instance in words: ``+4 a100``, ``-8 v100@east``, ``job bert-3 weight=2``, ``without job bert-3``."""

from __future__ import annotations

import re

import msgspec

from optsched.errors import InputError, shown
from optsched.explain.capacity_edits import more_gpus, more_servers
from optsched.instance import Instance, loads
from optsched.instance.pools import pools

__all__ = ["edited"]

_GPUS = re.compile(r"([+-])\s*(\d+)\s+(.+)")
_WITHOUT = re.compile(r"without\s+job\s+(.+)")
_EXPECTED = "'+4 TYPE', '-4 TYPE' (or TYPE@SITE), 'job ID KEY=VALUE ...' or 'without job ID'"


def edited(instance: Instance, change: str) -> Instance:
    """Return the instance after a change, validated as a file is.

    GPUs are added as servers like those that there are where these divide their number, and as servers of one GPU
    otherwise; they are taken from the last servers of the type.

    Raises
    ------
    InputError
        For a change that means nothing, or one that makes the instance invalid.
    """
    text = change.strip()
    if match := _GPUS.fullmatch(text):
        site, gpu_type = _pool(instance, match[3].strip(), change)
        count = int(match[2])
        changed = (_more if match[1] == "+" else _fewer)(instance, site, gpu_type, count, change)
    elif match := _WITHOUT.fullmatch(text):
        name = _job(instance, match[1], change)
        changed = msgspec.structs.replace(instance, jobs=tuple(job for job in instance.jobs if job.id != name))
    elif text.startswith("job "):
        return _with_job(instance, text[4:], change)
    else:
        raise InputError(_EXPECTED, path="--what-if", value=shown(change))
    return _validated(msgspec.to_builtins(changed), change)


def _validated(record: object, change: str) -> Instance:
    try:
        return loads(msgspec.json.encode(record).decode())
    except InputError as error:
        raise InputError(error.expected, path=f"--what-if {shown(change)}: {error.path}", value=error.value) from None


def _pool(instance: Instance, name: str, change: str) -> tuple[str, str]:
    """Return the site and the GPU type that are meant; of several sites, one must be named."""
    there = {(pool.site, pool.gpu_type): str(pool) for pool in pools(instance)}
    meant = [key for key, label in there.items() if name in (label, key[1])]
    if len(meant) != 1:
        expected = f"one of {', '.join(there.values())}" + (" (several sites have it)" if meant else "")
        raise InputError(expected, path="--what-if", value=shown(change))
    return meant[0]


def _job(instance: Instance, name: str, change: str) -> str:
    if all(job.id != name for job in instance.jobs):
        raise InputError("the id of a job", path="--what-if", value=shown(change))
    return name


def _more(instance: Instance, site: str, gpu_type: str, count: int, change: str) -> Instance:
    for group in instance.cluster.servers:
        if (group.site, group.gpu_type) == (site, gpu_type) and group.gpus and count % group.gpus == 0 and count:
            return more_servers(instance, group.id, count // group.gpus)
    if not count:
        return instance
    return more_gpus(instance, site, gpu_type, count)


def _fewer(instance: Instance, site: str, gpu_type: str, count: int, change: str) -> Instance:
    """Return the instance with fewer GPUs: remove whole servers from the last on, and part of one."""
    kept = []
    left = count
    for group in reversed(instance.cluster.servers):
        if (group.site, group.gpu_type) != (site, gpu_type) or not group.gpus or not left:
            kept.append(group)
            continue
        whole = min(group.count, left // group.gpus)
        left -= whole * group.gpus
        rest = group.count - whole
        if left and rest:
            part = msgspec.structs.replace(group, id=f"{group.id}-smaller", count=1, gpus=group.gpus - left)
            kept.append(part)
            rest, left = rest - 1, 0
        if rest:
            kept.append(msgspec.structs.replace(group, count=rest))
    if left:
        raise InputError(f"at most {count - left} GPUs, as many as there are", path="--what-if", value=shown(change))
    cluster = msgspec.structs.replace(instance.cluster, servers=tuple(reversed(kept)))
    return msgspec.structs.replace(instance, cluster=cluster)


def _with_job(instance: Instance, text: str, change: str) -> Instance:
    """Return the instance with other settings of a job, whose id may hold blanks."""
    match = re.fullmatch(r"(.+?)((?:\s+\w+=\S+)+)", text.strip())
    if match is None:
        raise InputError(_EXPECTED, path="--what-if", value=shown(change))
    name = _job(instance, match[1], change)
    settings = dict(part.split("=", 1) for part in match[2].split())
    record = msgspec.to_builtins(instance)
    for job in record["jobs"]:
        if job["id"] == name:
            job.update({key: _value(value) for key, value in settings.items()})
    return _validated(record, change)


def _value(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
