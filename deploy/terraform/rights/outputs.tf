output "policies" {
  description = "IAM policies by the role of the service: publisher, worker, sweeper, events, archive, operators, and api and tick for their functions. A role that makes no call has none."
  value = {
    for role, statements in local.statements :
    role => jsonencode({ Version = "2012-10-17", Statement = statements }) if length(statements) > 0
  }
}

output "poller_policy" {
  description = "What Lambda's poller does in the name of the sending function."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.of_poller })
}

output "secrets_policy" {
  description = "What reads secret_arns. null: there are none."
  value       = length(var.secret_arns) == 0 ? null : jsonencode({ Version = "2012-10-17", Statement = concat(local.read_secrets, local.decrypt_secrets) })
}

output "secret_policies" {
  description = "What reads one of secret_arns, by its ARN, for functions that need only some of them."
  value = {
    for arn in var.secret_arns :
    arn => jsonencode({ Version = "2012-10-17", Statement = concat([merge(local.read_secrets[0], { Resource = [arn] })], local.decrypt_secrets) })
  }
}
