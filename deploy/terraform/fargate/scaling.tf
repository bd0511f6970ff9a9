# How many tasks run, where they send: by the backlog of the ledger, and by schedules.

locals {
  scaling = var.scaling == null ? {} : { tasks = var.scaling }
  # As many as any schedule wants, so that an apply in its time ends no task. More tasks than the allowed rate needs send
  # nothing more.
  wanted = { for name, one in local.scaling : name => max(one.max, [for at in var.schedules : max(at.min, at.max == null ? 0 : at.max)]...) }
  most = {
    for name, one in local.scaling :
    name => max(one.min, one.send_rate == null ? local.wanted[name] : min(local.wanted[name], ceil(one.send_rate / one.task_rate)))
  }
}

# A schedule's minimum lasts until the next apply. How many tasks run stays.
resource "aws_appautoscaling_target" "tasks" {
  for_each           = local.scaling
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.cluster.name}/${aws_ecs_service.service.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = each.value.min
  max_capacity       = local.most[each.key]
}

# As many tasks as send the backlog in backlog_minutes. A task that ends has stopTimeout for what it has in hand.
# https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking-metric-math.html
resource "aws_appautoscaling_policy" "backlog" {
  for_each           = local.scaling
  name               = "backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.tasks[each.key].service_namespace
  resource_id        = aws_appautoscaling_target.tasks[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.tasks[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = 60 * each.value.backlog_minutes * each.value.task_rate
    scale_out_cooldown = 120
    scale_in_cooldown  = 300

    customized_metric_specification {
      metrics {
        id          = "backlog"
        return_data = false
        metric_stat {
          stat = "Maximum"
          metric {
            namespace   = each.value.figures_namespace
            metric_name = "eed_backlog"
          }
        }
      }
      metrics {
        id          = "tasks"
        return_data = false
        metric_stat {
          stat = "Average"
          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"
            dimensions {
              name  = "ClusterName"
              value = aws_ecs_cluster.cluster.name
            }
            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.service.name
            }
          }
        }
      }
      metrics {
        id          = "each"
        expression  = "backlog / tasks"
        label       = "Backlog of each task"
        return_data = true
      }
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "schedule" {
  for_each           = var.scaling == null ? {} : var.schedules
  name               = each.key
  service_namespace  = aws_appautoscaling_target.tasks["tasks"].service_namespace
  resource_id        = aws_appautoscaling_target.tasks["tasks"].resource_id
  scalable_dimension = aws_appautoscaling_target.tasks["tasks"].scalable_dimension
  schedule           = each.value.schedule
  timezone           = each.value.time_zone

  scalable_target_action {
    min_capacity = min(each.value.min, local.most["tasks"])
    max_capacity = each.value.max == null ? local.most["tasks"] : max(min(each.value.min, local.most["tasks"]), min(each.value.max, local.most["tasks"]))
  }
}
