#!/usr/bin/env python3
"""Runs a program in a root filesystem as the chart has it run, as far as that goes without a container engine.

    confine.py ROOT POLICIES PROGRAM ARGUMENT...

In namespaces of users, mounts and processes of its own, so that no privilege is needed: as user and group 65532, as process 1, without
any capability and without a way to get one (no_new_privs, empty bounding set), in ROOT, which is read-only, with POLICIES read-only at
/etc/tollgate/policies, empty volumes at /var/lib/tollgate and /run/tollgate, and an empty environment.

What an engine does and this does not: seccomp's default profile, limits of memory and processes, a network of its own, /proc and /dev.
Exit status 77, with a sentence, where the kernel does not let it.
"""
import ctypes
import os
import signal
import sys

NEWNS, NEWUSER, NEWPID = 0x00020000, 0x10000000, 0x20000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE, RELATIME = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18, 1 << 21
NOATIME, NODIRATIME = 1024, 2048
PDEATHSIG, CAPBSET_DROP, NO_NEW_PRIVS, CAP_AMBIENT, AMBIENT_CLEAR_ALL = 1, 24, 38, 47, 4
IDS = 65532

libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result != 0:
        error = ctypes.get_errno()
        sys.stderr.write(f"confine: cannot {what}: {os.strerror(error)}\n")
        sys.exit(77)


def mount(source, target, kind, flags, data=None):
    texts = [text and text.encode() for text in (source, target, kind, data)]
    must(libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def read_only(path):
    # What the mount below has stays: nobody in a namespace of users may take it away.
    flags = os.statvfs(path).f_flag
    kept = flags & (NOSUID | NODEV | NOEXEC | NOATIME | NODIRATIME) | (RELATIME if flags & 4096 else 0)
    mount(None, path, None, REMOUNT | BIND | RDONLY | kept)


def write(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        sys.stderr.write(f"confine: cannot write {path}: {error.strerror}\n")
        sys.exit(77)


root, policies, *command = sys.argv[1:]
uid, gid = os.getuid(), os.getgid()
must(libc.unshare(NEWUSER | NEWNS | NEWPID), "make namespaces")
write("/proc/self/setgroups", "deny")
write("/proc/self/uid_map", f"{IDS} {uid} 1")
write("/proc/self/gid_map", f"{IDS} {gid} 1")
mount(None, "/", None, REC | PRIVATE)
mount(root, root, None, BIND | REC)
read_only(root)
mount(policies, root + "/etc/tollgate/policies", None, BIND)
read_only(root + "/etc/tollgate/policies")
for volume in ["/var/lib/tollgate", "/run/tollgate"]:
    mount("tmpfs", root + volume, "tmpfs", NOSUID | NODEV | NOEXEC, f"mode=0700,uid={IDS},gid={IDS},size=64m")

child = os.fork()
if child == 0:
    libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chroot(root)
    os.chdir("/")
    # Another user than root has what is in the ambient set when it begins a program, and that is emptied here.
    must(libc.prctl(CAP_AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0), "empty the ambient set")
    for capability in range(64):
        if libc.prctl(CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    must(libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs")
    os.execve(command[0], command, {})
for number in [signal.SIGTERM, signal.SIGINT]:
    signal.signal(number, lambda number, _: os.kill(child, number))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
