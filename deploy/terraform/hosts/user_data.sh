#!/bin/bash
# Installs the bundle on a new host, as docs/installing.md says. Terraform fills in the rest.
set -euo pipefail
umask 077
export AWS_DEFAULT_REGION=${region}

dnf install --quiet --assumeyes python3.11 amazon-cloudwatch-agent logrotate
id eed-delivery >/dev/null 2>&1 || useradd --system --home-dir /var/lib/eed-delivery --shell /usr/sbin/nologin eed-delivery

work=$(mktemp -d)
aws s3 cp --only-show-errors "${bundle}" "$work/bundle.tar.gz"
echo "${sha256}  $work/bundle.tar.gz" | sha256sum --check --quiet
tar --extract --gzip --directory "$work" --file "$work/bundle.tar.gz" --no-same-owner

install -d -m 0755 /opt/eed-delivery
(
  umask 022
  cd "$work/eed-delivery"
  python3.11 -m venv /opt/eed-delivery/venv
  /opt/eed-delivery/venv/bin/pip install --quiet --require-hashes --no-index --find-links wheels \
    -r requirements/build.txt -r requirements/run.txt -r requirements/operators.txt
  /opt/eed-delivery/venv/bin/pip install --quiet --no-deps --no-build-isolation .
  cp -r docs /opt/eed-delivery/
  ln -sf /opt/eed-delivery/venv/bin/eed-delivery /usr/local/bin/eed-delivery
  install -m 0644 systemd/eed-delivery.service /etc/systemd/system/
)

install -d -m 0755 /etc/eed-delivery
aws s3 cp --only-show-errors "${configuration}" "$work/eed-delivery.toml"
echo "${config_sha256}  $work/eed-delivery.toml" | sha256sum --check --quiet
install -m 0640 -g eed-delivery "$work/eed-delivery.toml" /etc/eed-delivery/eed-delivery.toml

install -d -m 0700 /etc/credstore
%{ for name, arn in secrets ~}
aws secretsmanager get-secret-value --secret-id "${arn}" --query SecretString --output text > /etc/credstore/eed-delivery.${name}
%{ endfor ~}

# The log goes into a file, because the CloudWatch agent reads files. systemd opens it before the unit's limits apply.
install -d -m 0750 /var/log/eed-delivery
install -d -m 0755 /etc/systemd/system/eed-delivery.service.d
cat > /etc/systemd/system/eed-delivery.service.d/log.conf <<'UNIT'
[Service]
StandardOutput=append:/var/log/eed-delivery/service.log
UNIT
cat > /etc/logrotate.d/eed-delivery <<'ROTATE'
/var/log/eed-delivery/service.log {
  size 100M
  rotate 3
  copytruncate
  compress
  missingok
}
ROTATE
cat > /opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json <<'AGENT'
{
  "agent": { "run_as_user": "root" },
  "logs": { "logs_collected": { "files": { "collect_list": [{
    "file_path": "/var/log/eed-delivery/service.log",
    "log_group_name": "${log_group}",
    "log_stream_name": "{instance_id}"
  }] } } }
}
AGENT
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s \
  -c file:/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json

# What ends the service before Auto Scaling ends the host.
cat > /usr/local/sbin/eed-delivery-drain <<'DRAIN'
${drain}DRAIN
chmod 0755 /usr/local/sbin/eed-delivery-drain
cat > /etc/systemd/system/eed-delivery-drain.service <<'UNIT'
[Unit]
Description=Stops eed-delivery before Auto Scaling ends this host
After=network-online.target
Wants=network-online.target

[Service]
Environment=AWS_DEFAULT_REGION=${region}
ExecStart=/usr/local/sbin/eed-delivery-drain ${autoscaling} ${drain_hook}
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
UNIT

rm -rf "$work"
systemctl daemon-reload
systemctl enable --now eed-delivery-drain.service eed-delivery.service

# The unit says when every process works. Until here the Auto Scaling group waits, and gives up after 15 minutes.
token=$(curl --silent --fail --request PUT --header "X-aws-ec2-metadata-token-ttl-seconds: 60" http://169.254.169.254/latest/api/token)
instance=$(curl --silent --fail --header "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE --lifecycle-hook-name installed \
  --auto-scaling-group-name "${autoscaling}" --instance-id "$instance"
