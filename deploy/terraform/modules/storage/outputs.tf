output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "policy" {
  description = "IAM policy, in JSON, by which workers use it."
  value       = data.aws_iam_policy_document.use.json
}
