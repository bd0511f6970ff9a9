#!/bin/bash
# Stops this host's service before Auto Scaling ends the host.
#
#   drain.sh GROUP HOOK
#
# The host learns from its own metadata that it is to end. That needs no right, and no message from outside. systemctl
# waits while the service takes no more emails, ends those on the wire, and gives the others back. Then the host may go.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
set -uo pipefail
group=$1
hook=$2
metadata=${EC2_METADATA:-http://169.254.169.254}/latest
seconds=${DRAIN_LOOK_SECONDS:-5}

of_host() {
  local token
  token=$(curl --silent --fail --max-time 5 --request PUT --header "X-aws-ec2-metadata-token-ttl-seconds: 60" "$metadata/api/token") &&
    curl --silent --fail --max-time 5 --header "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"
}

until [ "$(of_host autoscaling/target-lifecycle-state)" = Terminated ]; do
  sleep "$seconds"
done
echo "this host is to end: its service stops"
systemctl stop eed-delivery.service 'eed-delivery@*.service'

# Without this the host ends when the hook's time is over.
for _ in 1 2 3 4 5 6; do
  aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE --lifecycle-hook-name "$hook" \
    --auto-scaling-group-name "$group" --instance-id "$(of_host instance-id)" && exit 0
  sleep "$seconds"
done
echo "Auto Scaling was not told that this host is drained"
exit 1
