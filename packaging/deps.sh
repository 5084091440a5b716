#!/bin/bash
# deps.sh SECTION...: installs what is missing of those sections of debian-packages.txt.
# When nothing is missing it needs neither network nor root.
set -euo pipefail
list=$(dirname "$0")/debian-packages.txt

wanted() {  # SECTION: lines "package [command]"
  sed -n "/^\[$1\]/,/^\[/{/^\[/d;/^#/d;/^$/d;p}" "$list"
}

missing=()
for section in "$@"; do
  while read -r package command; do
    if [[ -n $command ]] && command -v "$command" >/dev/null; then continue; fi
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
    [[ $status == installed ]] || missing+=("$package")
  done < <(wanted "$section")
done
if ((${#missing[@]} == 0)); then exit 0; fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "These Debian packages are missing: ${missing[*]}" >&2
    echo "Install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}"
