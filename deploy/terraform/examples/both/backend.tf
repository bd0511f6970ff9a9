# The state is in S3, in a bucket with versions (deploy/terraform/state), and locked while it is changed:
#   terraform init -backend-config=bucket=BUCKET -backend-config=region=REGION
terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }

  backend "s3" {
    key          = "eed-delivery/both.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { application = "eed-delivery" }
  }
}
