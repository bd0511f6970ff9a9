# One function of the image, with its role and its log group.

data "aws_partition" "here" {}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "function" {
  count = var.role_arn == null ? 1 : 0
  name  = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "given" {
  for_each = var.role_arn == null ? var.policies : {}
  name     = each.key
  role     = aws_iam_role.function[0].name
  policy   = each.value
}

resource "aws_iam_role_policy" "logs" {
  count = var.role_arn == null ? 1 : 0
  name  = "logs"
  role  = aws_iam_role.function[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.function.arn}:*"]
      }],
      var.tracing ? [{
        Sid      = "WriteTraces"
        Effect   = "Allow"
        Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        Resource = ["*"]
      }] : [],
    )
  })
}

# Network interfaces in the VPC. They have no ARN before they are made.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
resource "aws_iam_role_policy_attachment" "network" {
  count      = var.role_arn == null ? 1 : 0
  role       = aws_iam_role.function[0].name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/service-role/AWSLambdaENIManagementAccess"
}

resource "aws_lambda_function" "function" {
  function_name                  = var.name
  role                           = var.role_arn == null ? aws_iam_role.function[0].arn : var.role_arn
  package_type                   = "Image"
  image_uri                      = var.image_uri
  architectures                  = [var.architecture]
  timeout                        = var.timeout_seconds
  memory_size                    = var.memory_mb
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn

  image_config {
    command = [var.handler]
  }

  environment {
    variables = var.environment
  }

  # The lines are JSON already.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  depends_on = [aws_iam_role_policy.given, aws_iam_role_policy.logs, aws_iam_role_policy_attachment.network]
}
