#!/bin/bash
# run.sh: from nothing to a server one can paste commands against. Creates what is missing in the
# data directory (certificates, a product, two devices, a back end), serves in the foreground, and
# once it listens prints how each kind of client connects.
#   DATA=data        the data directory
#   PORT=8443        one port for everything; or LISTEN="0.0.0.0:8443 127.0.0.1:11883"
#   ADMIN=127.0.0.1:8080
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
fairlead=${FAIRLEAD:-build/release/fairlead}
data=${DATA:-data}
admin=${ADMIN:-127.0.0.1:8080}
product=demo
cli() { "$fairlead" --data-dir "$data" "$@"; }
field() { sed -nE "s/.*\"$1\" *: *\"([^\"]*)\".*/\1/p" | head -n 1; }

prepare() {
  mkdir -p "$data"
  if [[ ! -e $data/certs/ca.crt ]]; then
    local names=(--host localhost --host "$(hostname)" --ip 127.0.0.1 --ip ::1)
    for address in $(hostname -I 2>/dev/null); do names+=(--ip "${address%%%*}"); done
    cli cert init "${names[@]}" >/dev/null
  fi
  if ! cli product show "$product" >/dev/null 2>&1; then
    cli product create --key "$product" --name "Demo product" >/dev/null
    for device in lamp sensor; do
      cli device create --product "$product" --name "$device" >/dev/null
    done
  fi
  if [[ ! -e $data/demo-backend.password ]]; then
    openssl rand -hex 12 >"$data/demo-backend.password"
    cli app delete demo-backend >/dev/null 2>&1 || true
    cli app create --name demo-backend --password "$(cat "$data/demo-backend.password")" \
      --allow 'sub:#' --allow 'pub:#' >/dev/null
  fi
}

may_bind() {  # PORT: may this user listen on it
  local first=1024
  read -r first </proc/sys/net/ipv4/ip_unprivileged_port_start || true
  ((EUID == 0 || $1 >= first))
}
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

choose_listeners() {
  if [[ -n ${LISTEN:-} ]]; then
    read -ra listeners <<<"$LISTEN"
  elif [[ -n ${PORT:-} ]]; then
    listeners=("0.0.0.0:$PORT")
  else
    local main=8443 second=11883
    if may_bind 443; then main=443 second=1883; fi
    listeners=("0.0.0.0:$main")
    # The first port serves every protocol: the second is a convenience, not worth a failure.
    if taken "$second"; then
      echo "Port $second is in use by another program; going without it."
    else
      listeners+=("0.0.0.0:$second")
    fi
  fi
}

paste_ables() {
  local port=${listeners[0]##*:} host=127.0.0.1 ca=$data/certs/ca.crt plain device sign
  plain=${listeners[-1]##*:}
  device=$(cli device show "$product" lamp --json)
  local secret login mosquitto
  secret=$(field deviceSecret <<<"$device")
  sign=$("$fairlead" sign --product "$product" --name lamp --secret "$secret" \
    --method hmacsha256 --url "mqtt://$host:$plain" --json)
  login="-i '$(field clientId <<<"$sign")' -u '$(field username <<<"$sign")'"
  login+=" -P $(field password <<<"$sign")"
  mosquitto="-h $host -p $plain"
  cat <<END

One port, four protocols (from other machines: this one's address instead of $host):
  ws://$host:$port    wss://$host:$port    mqtt://$host:$plain    mqtts://$host:$plain
Root certificate that clients must trust:
  $ca

A device, as its three-tuple:
  product key    $product
  device name    lamp
  device secret  $secret
and what it sends in CONNECT:
  client id      $(field clientId <<<"$sign")
  username       $(field username <<<"$sign")
  password       $(field password <<<"$sign")

Watch all devices (second terminal):
  mosquitto_sub $mosquitto -u demo-backend -P $(<"$data/demo-backend.password") -t '#' -v
Publish as the device (third terminal):
  mosquitto_pub $mosquitto $login -t /$product/lamp/user/update -m '{"light":"on"}' -q 1
The same through TLS: add --cafile $ca

The page that is a device: http://$admin/#pk=$product&dn=lamp

Ctrl+C stops the server.
END
}

# Copies the server's lines, and adds the paste-ables once it listens everywhere.
narrate() {
  local left=$((${#listeners[@]} + 1)) line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
      'listening '* | 'admin '*) left=$((left - 1)); ((left != 0)) || paste_ables ;;
    esac
  done
}

if [[ ! -x $fairlead ]]; then
  echo "$fairlead is missing: run 'make build'" >&2
  exit 1
fi
prepare
choose_listeners
arguments=(--admin "$admin")
for address in "${listeners[@]}"; do arguments+=(--listen "$address"); done

"$fairlead" --data-dir "$data" serve "${arguments[@]}" > >(trap '' INT TERM; narrate) &
server=$!
trap 'kill -TERM "$server" 2>/dev/null' TERM INT
status=0
wait "$server" || status=$?
while kill -0 "$server" 2>/dev/null; do wait "$server" && status=0 || status=$?; done
if ((status > 128)); then wait "$server" && status=0 || status=$?; fi
if ((status != 0)); then
  echo "Other ports are chosen with PORT and ADMIN: make run PORT=9443 ADMIN=127.0.0.1:9080" >&2
fi
exit "$status"
