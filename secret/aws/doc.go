// Package aws reads secrets from AWS Secrets Manager and from the Parameter Store of AWS Systems Manager.
//
// Credentials are found where the AWS SDK looks for them: variables, the shared files, web identity, the role of the container or
// instance. The region is that of an ARN, else the SDK's. AWS_ENDPOINT_URL_SECRETS_MANAGER and AWS_ENDPOINT_URL_SSM are other
// addresses of the services, such as those of VPC endpoints.
package aws
