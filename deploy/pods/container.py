"""A container: the real binary as a user of its own in a root of its own, made by bubblewrap. Knows the manifests'
template and nothing of Deployments."""

import asyncio
import json
import os
import pathlib
import shutil
import signal

from .manifests import ManifestError
from .network import DNS

# What the kubelet takes of the log of a container that failed (FallbackToLogsOnError).
MESSAGE_BYTES, MESSAGE_LINES = 2048, 80


class Container:
    """One run of a pod's process."""

    def __init__(self, process, pid, log):
        self.process, self.pid, self.log = process, pid, log
        # A number may belong to another process later; this does not. None when it has ended already.
        try:
            self.handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self.handle = None

    def signal(self, which):
        if self.handle is not None:
            try:
                signal.pidfd_send_signal(self.handle, which)
            except ProcessLookupError:
                pass

    async def wait(self):
        """Its exit code, as a container runtime tells it: 128 and the signal when one ended it."""
        code = await self.process.wait()
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None
        return 128 - code if code < 0 else code

    def kill(self):
        self.signal(signal.SIGKILL)

    def resident_bytes(self):
        try:
            status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
        return int(line.split()[1]) * 1024 if line else 0

    def message(self):
        text = self.log.read_bytes()[-MESSAGE_BYTES:].decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-MESSAGE_LINES:])


def environment(template, name, address, namespace):
    """What the process sees: the manifest's variables, and those that every container of a cluster has."""
    result = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/",
        "HOSTNAME": name,
        "KUBERNETES_SERVICE_HOST": "10.96.255.1",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    fields = {"metadata.name": name, "metadata.namespace": namespace, "status.podIP": address}
    for variable in template.environment:
        source = variable.get("valueFrom")
        if source is None:
            result[variable["name"]] = variable.get("value", "")
        elif source.get("fieldRef", {}).get("fieldPath") in fields:
            result[variable["name"]] = fields[source["fieldRef"]["fieldPath"]]
        else:
            raise ManifestError(f"{variable['name']}: {source} is not run here")
    return result


async def start(template, binaries, network_path, name, address, namespace, secrets, folder, log):
    """Starts the process; `folder` holds what is mounted into it."""
    mounts = files(template, name, address, namespace, secrets, folder)
    binary = binaries / template.binary
    arguments = [
        "/usr/bin/nsenter", f"--net={network_path}", "--", shutil.which("bwrap"),
        "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--hostname", name, "--as-pid-1", "--die-with-parent",
        "--new-session", *root(binary, template.binary), *mounts,
        *(["--remount-ro", "/"] if template.is_root_read_only else []),
    ]
    read, write = os.pipe()
    inside = [
        "/usr/bin/setpriv", f"--reuid={template.user}", f"--regid={template.group}", "--clear-groups",
        *([] if template.has_capabilities else ["--bounding-set=-all", "--inh-caps=-all"]),
        *([] if template.is_escalation_allowed else ["--no-new-privs"]),
        f"/usr/local/bin/{template.binary}", *template.arguments,
    ]
    try:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *arguments, "--info-fd", str(write), "--", *inside,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[write],
                env=environment(template, name, address, namespace),
            )
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as told:
        text = await asyncio.to_thread(told.read)
    if not text:
        raise ManifestError(f"{name} cannot be started: {log.read_text(errors='replace')}")
    return Container(process, json.loads(text)["child-pid"], log)


def root(binary, name):
    """The files of the image: a system's libraries and the binary."""
    # Folders that bubblewrap makes by itself would be root's alone.
    arguments = ["--tmpfs", "/", "--proc", "/proc", "--dev", "/dev"]
    for path in ("/usr", "/usr/local", "/usr/local/bin", "/etc"):
        arguments += ["--dir", path]
    for path in ("/usr/bin", "/usr/lib", "/usr/lib64", "/bin", "/lib", "/lib64", "/etc/ssl"):
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    return [*arguments, "--ro-bind", str(binary), f"/usr/local/bin/{name}"]


def files(template, name, address, namespace, secrets, folder):
    """What the kubelet writes: the names of the pod and of the cluster, and the Secrets."""
    folder.mkdir(parents=True, exist_ok=True)
    domains = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
    texts = {
        "/etc/hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{name}\n",
        "/etc/hostname": f"{name}\n",
        "/etc/resolv.conf": f"search {domains}\nnameserver {DNS}\noptions ndots:5\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\ntidings:x:10001:10001::/:/usr/sbin/nologin\n",
        "/etc/group": "root:x:0:\ntidings:x:10001:\n",
    }
    arguments = []
    for path in sorted({parent for path in template.secret_files for parent in folders(path)}):
        arguments += ["--dir", path]
    for path, text in texts.items():
        arguments += mount(folder, path, text, 0o644, template.group)
    for path, (secret, key, mode) in template.secret_files.items():
        if key not in secrets.get(secret, {}):
            raise ManifestError(f"{name}: the Secret {secret} has no key {key}")
        arguments += mount(folder, path, secrets[secret][key], mode, template.group)
    return arguments


def folders(path):
    """The folders above a file, without the root."""
    return [str(parent) for parent in pathlib.PurePosixPath(path).parents][:-1]


def mount(folder, path, text, mode, group):
    source = folder / path.strip("/").replace("/", "_")
    source.write_text(text, encoding="utf-8")
    os.chown(source, 0, group)
    source.chmod(mode)
    return ["--ro-bind", str(source), path]
