# Security group rules (limit access)
aws ec2 authorize-security-group-ingress \
    --group-id sg-xxxxx \
    --protocol tcp \
    --port 5671 \
    --source-group sg-yyyyy  # Only allow from worker SG
