#!/bin/bash
# A till that sells one order for stored value, whatever becomes of the line; with curl and jq.
#
# usage: STORE=http://127.0.0.1:7311 TOKEN=... till.sh ORDER CARD FEN (a whole number)
#
# For an https STORE, SSL_CERT_FILE=tls.crt names its certificate.
# Prints sold, refused, cancelled or unknown; exit status 0, 1, 2, 3, or 64 if called wrongly. After
# "unknown" (why: on stderr) the order must be cancelled, or asked for, before it is paid otherwise.
set -u
: "${TIMEOUT:=3}" # seconds for one answer
if [[ $# != 3 || -z ${STORE-} || -z ${TOKEN-} || ! $3 =~ ^[1-9][0-9]{0,14}$ ]]; then
	echo 'usage: STORE=URL TOKEN=... till.sh ORDER CARD FEN' >&2
	exit 64
fi
order=$1 card=$2 amount=$3
tries=3

# call METHOD PATH [BODY [KEY]]: sets status (000: no answer came, and nobody knows) and answer. The token
# goes in by a descriptor, so that the list of processes does not show it.
call()
{
	local args=(-sS --noproxy '*' --max-time "$TIMEOUT" -w '\n%{http_code}' -X "$1" "$STORE$2")

	[[ -n ${SSL_CERT_FILE-} ]] && args+=(--cacert "$SSL_CERT_FILE")
	[[ $# -gt 2 ]] && args+=(-H 'Content-Type: application/json' -d "$3")
	[[ $# -gt 3 ]] && args+=(-H "Idempotency-Key: $4")
	answer=$(curl "${args[@]}" -H @<(printf 'Authorization: Bearer %s\n' "$TOKEN"))
	status=${answer##*$'\n'}
	answer=${answer%$'\n'*}
	jq -e . <<<"$answer" >/dev/null 2>&1 || status=000
}

# get FILTER: a value out of the answer
get() { jq -r "$1" <<<"$answer"; }

end()
{
	echo "${@:2}"
	exit "$1"
}

# End where the answer decides the order; else return.
judge()
{
	case $status in
	201) end 0 sold "$order" "$(get .txn)" "$(get .payable)" ;;
	000) return ;;
	esac
	[[ $(get .error.retryable) == true ]] && return
	[[ $(get .error.code) == order_cancelled ]] && end 2 cancelled "$order"
	end 1 refused "$order" "$(get .error.code)" "$(get .error.message.zh)"
}

path=/v1/orders/$(jq -rn --arg o "$order" '$o | @uri')
sale=$(jq -n --arg o "$order" --arg c "$card" --argjson a "$amount" \
	'{order_no: $o, card_no: $c, amount: $a}')
key=$(</proc/sys/kernel/random/uuid)
for ((try = 0; try < tries; try++)); do
	call POST /v1/sales "$sale" "$key"
	judge
	# No answer, or one that says: later. Did it happen? If it did not, the same request with the
	# same key is harmless.
	call GET "$path"
	if [[ $status == 200 ]]; then
		answer=$(get '.orders[] | select(.verb == "sale")')
		[[ $(get .state) == cancelled ]] && end 2 cancelled "$order"
		[[ -n $answer ]] && status=201 && judge
	fi
	sleep "$try"
done
for ((try = 0; try < tries; try++)); do # the customer pays otherwise: it must never happen now
	call POST "$path/cancel" '{"verb":"sale"}'
	[[ $status == 200 ]] && end 2 cancelled "$order"
	sleep "$try"
done
end 3 unknown "$order"
