#!/usr/bin/env bash
# An integrator's program of bash, curl and openssl: asks for a day-ahead forecast through SolarUser,
# follows the instruction to its end, and exits with 0 if it was Completed, 1 if not; with --no-wait it
# does not look what becomes of it.
#
#   OSCP_SEND_URL=... OSCP_SEND_TOKEN=... OSCP_SEND_SECRET=... bash day-ahead.sh [--day-ahead|--no-wait] [UNIT [GROUP]]
#
# With the unit KW, or none, all is well; with kW, the mistake that everybody makes once, SolarUser
# declines the message.
set -euo pipefail

option=
case ${1:-} in --*) option=$1 && shift ;; esac
unit=${1:-KW} group=${2:-foo-group}
api=/solaruser/api/v1/sec/instr
host=${OSCP_SEND_URL#*://}

sha256() { printf %s "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }
# Takes the key as hexadecimal digits.
hmac() { printf %s "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -d ' ' -f 1; }

# ask METHOD PATH QUERY: the query, or the form, is encoded and in order already.
ask() {
  local method=$1 path=$2 query=$3 seconds stamp date names lines key canonical signature
  seconds=$(date +%s)
  stamp=$(date -u -d "@$seconds" +%Y%m%dT%H%M%SZ)
  date=$(LC_ALL=C date -u -d "@$seconds" '+%a, %d %b %Y %H:%M:%S GMT')
  names='host;x-sn-date' lines="host:$host"$'\n'"x-sn-date:$date"
  local -a options=(--get)
  if [ "$method" = POST ]; then
    names="content-type;$names" lines="content-type:application/x-www-form-urlencoded"$'\n'"$lines"
    options=()
  fi
  canonical="$method"$'\n'"$path"$'\n'"$query"$'\n'"$lines"$'\n'"$names"$'\n'"$(sha256 '')"
  key=$(printf %s "SNWS2$OSCP_SEND_SECRET" | od -An -tx1 -v | tr -d ' \n')
  key=$(hmac "$(hmac "$key" "${stamp:0:8}")" snws2_request)
  signature=$(hmac "$key" "SNWS2-HMAC-SHA256"$'\n'"$stamp"$'\n'"$(sha256 "$canonical")")
  curl --silent --show-error --fail-with-body "${options[@]}" --data "$query" \
    --header "X-SN-Date: $date" \
    --header "Authorization: SNWS2 Credential=$OSCP_SEND_TOKEN,SignedHeaders=$names,Signature=$signature" \
    "$OSCP_SEND_URL$path"
}

encoded() {
  local text=$1 letter
  while [ -n "$text" ]; do
    letter=${text:0:1} text=${text:1}
    case $letter in [A-Za-z0-9._~-]) printf %s "$letter" ;; *) printf %%%02X "'$letter" ;; esac
  done
}

state_of() { grep -o '"state":"[A-Za-z]*"' <<<"$1" | cut -d '"' -f 4; }

day=$(date -u -d tomorrow +%Y-%m-%d)
message='{"group_id":"'$group'","type":"CONSUMPTION","forecasted_blocks":[{"capacity":42,"phase":"ALL",'
message+='"unit":"'$unit'","start_time":"'$day'T00:00:00Z","end_time":"'$day'T00:15:00Z"}]}'
form="nodeId=1&parameters%5B0%5D.name=coId&parameters%5B0%5D.value=1"
form+="&parameters%5B1%5D.name=cgIdentifier&parameters%5B1%5D.value=$group"
form+="&parameters%5B2%5D.name=action&parameters%5B2%5D.value=AdjustGroupCapacityForecast"
form+="&parameters%5B3%5D.name=msg&parameters%5B3%5D.value=$(encoded "$message")"

answer=$(ask POST "$api/add/OSCP_v20" "$form")
[ "$option" != --no-wait ] || exit 0
id=$(grep -o '"id":[0-9]*' <<<"$answer" | head -n 1 | cut -d : -f 2)
for _ in {1..50}; do
  case $(state_of "$answer") in Completed | Declined) break ;; esac
  sleep 0.05
  answer=$(ask GET "$api/view" "id=$id")
done
echo "instruction $id is $(state_of "$answer"): $answer"
[ "$(state_of "$answer")" = Completed ]
