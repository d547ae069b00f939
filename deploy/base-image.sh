#!/usr/bin/env bash
# Sees to it that the public base image `debian:bookworm-slim` is there: pulls it, or makes it from Debian's packages where no
# registry can be reached, which needs root and takes half a minute.
set -euo pipefail

image=debian:bookworm-slim
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is there already"
  exit 0
fi
if timeout 60 docker pull --quiet "$image" >/dev/null 2>&1; then
  echo "$image was pulled"
  exit 0
fi
command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | grep -v security | head -n 1 || true)
if [ -z "$mirror" ]; then
  mirror=$(sed -n 's/^URIs: *\(http[^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v security | head -n 1 || true)
fi
echo "Making $image with debootstrap"
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 \
  || { tail -n 20 "$root.log"; exit 1; }
# The machine's own way to its package mirror, so that the Dockerfile's apt-get works in the image too; not its sources, which
# may be those of another release.
cp -a /etc/apt/apt.conf.d "$root/etc/apt/" 2>/dev/null || true
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
echo "$image is ready"
