# Get broker endpoint from AWS
aws mq describe-broker --broker-id b-xxxxx

# Access via bastion/VPN
# URL: https://b-xxxxx.mq.region.amazonaws.com
# Username/Password: From AWS Secrets Manager
