# Roles of the service as Fargate tasks, from the image of the functions.

data "aws_region" "here" {}

locals {
  # Fargate gives a volume to root alone. This container lets the service's user write there, and ends.
  scratch = {
    name                   = "scratch"
    image                  = var.image_uri
    essential              = false
    entryPoint             = ["python3", "-c", "import os; os.chmod('/tmp', 0o1777)"]
    command                = []
    user                   = "0"
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
  }
  # without the key of its JSON that may follow
  secret_arns = distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7))])
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_cloudwatch_log_group" "tasks" {
  name              = "/aws/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# What the service may do.
resource "aws_iam_role" "task" {
  count              = var.task_role_arn == null ? 1 : 0
  name               = var.name
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "given" {
  for_each = var.task_role_arn == null ? var.policies : {}
  name     = each.key
  role     = aws_iam_role.task[0].name
  policy   = each.value
}

# What Fargate does before the service runs: it pulls the image, reads secrets, and writes the log.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        { Sid = "LogInToEcr", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
        {
          Sid      = "PullImage"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = [var.repository_arn]
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.tasks.arn}:*"]
        },
      ],
      length(var.secrets) == 0 ? [] : [
        { Sid = "ReadSecrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = local.secret_arns },
      ],
      var.kms_key_arn == null ? [] : [
        { Sid = "Decrypt", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.kms_key_arn], Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${data.aws_region.here.region}.amazonaws.com" } } },
      ],
    )
  })
}

resource "aws_ecs_cluster" "cluster" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "task" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mb
  task_role_arn            = var.task_role_arn == null ? aws_iam_role.task[0].arn : var.task_role_arn
  execution_role_arn       = aws_iam_role.execution.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  # The fork server's sockets, and nothing that must last.
  volume {
    name = "scratch"
  }

  container_definitions = jsonencode(concat([local.scratch], [
    for name, command in var.commands : {
      dependsOn              = [{ containerName = local.scratch.name, condition = "SUCCESS" }]
      name                   = name
      image                  = var.image_uri
      essential              = true
      entryPoint             = var.entry_point
      command                = command
      user                   = "65534"
      readonlyRootFilesystem = true
      stopTimeout            = 120 # longer than service.stop_seconds
      environment            = [for key, value in var.environment : { name = key, value = value }]
      secrets                = [for key, arn in var.secrets : { name = key, valueFrom = arn }]
      mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
      linuxParameters        = { initProcessEnabled = true }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.tasks.name
          "awslogs-region"        = data.aws_region.here.region
          "awslogs-stream-prefix" = name
        }
      }
    }
  ]))
}

resource "aws_ecs_service" "service" {
  name                   = var.name
  cluster                = aws_ecs_cluster.cluster.arn
  task_definition        = aws_ecs_task_definition.task.arn
  desired_count          = var.tasks
  launch_type            = "FARGATE"
  enable_execute_command = false

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # What scales the service, or a person, has changed stays.
  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [aws_iam_role_policy.given, aws_iam_role_policy.execution]
}
