aws mq create-broker \
    --broker-name myapp-rabbitmq-prod \
    --engine-type RABBITMQ \
    --engine-version 3.11 \
    --host-instance-type mq.m5.large \
    --deployment-mode CLUSTER_MULTI_AZ \
    --users Username=admin,Password=SecurePassword123! \
    --subnet-ids subnet-xxxxx subnet-yyyyy \
    --security-groups sg-xxxxx \
    --logs '{"General":true}'
