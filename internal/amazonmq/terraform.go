package amazonmq

import (
	"fmt"
	"strconv"
	"strings"
)

// Terraform is the plan as a resource of Terraform's provider for AWS, with the password as a variable.
func (p Plan) Terraform() string {
	var b strings.Builder
	list := func(texts []string) string {
		quoted := make([]string, len(texts))
		for i, t := range texts {
			quoted[i] = quote(t)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	fmt.Fprintf(&b, `variable "broker_password" {
  description = "Password of the broker's first user. At least 12 characters, 4 of them different, none of , : ="
  type        = string
  sensitive   = true
}

resource "aws_mq_broker" "broker" {
`)
	rows := [][2]string{
		{"broker_name", quote(p.Name)},
		{"engine_type", `"RabbitMQ"`},
		{"engine_version", quote(p.Version)},
		{"host_instance_type", quote(p.Instance)},
		{"deployment_mode", quote(p.Mode)},
		{"publicly_accessible", strconv.FormatBool(p.Public != nil && *p.Public)},
		{"auto_minor_version_upgrade", "true"},
		{"apply_immediately", "false"},
	}
	if len(p.Subnets) > 0 {
		rows = append(rows, [2]string{"subnet_ids", list(p.Subnets)})
	}
	if len(p.SecurityGroups) > 0 {
		rows = append(rows, [2]string{"security_groups", list(p.SecurityGroups)})
	}
	attributes(&b, "  ", rows)
	id, revision, has := strings.Cut(p.Configuration, ":")
	if id != "" {
		rows := [][2]string{{"id", quote(id)}}
		if has {
			rows = append(rows, [2]string{"revision", revision})
		}
		block(&b, "configuration", rows)
	}
	block(&b, "user", [][2]string{{"username", quote(p.User)}, {"password", "var.broker_password"}})
	if p.KMSKey == "" {
		block(&b, "encryption_options", [][2]string{{"use_aws_owned_key", "true"}})
	} else {
		block(&b, "encryption_options", [][2]string{{"kms_key_id", quote(p.KMSKey)}, {"use_aws_owned_key", "false"}})
	}
	block(&b, "logs", [][2]string{{"general", strconv.FormatBool(p.Logs)}})
	if p.Window != nil {
		block(&b, "maintenance_window_start_time", [][2]string{{"day_of_week", quote(p.Window.Day)}, {"time_of_day", quote(p.Window.Time)},
			{"time_zone", quote(p.Window.Zone)}})
	}
	if len(p.Tags) > 0 {
		b.WriteString("\n  tags = {\n")
		var rows [][2]string
		for _, k := range keys(p.Tags) {
			rows = append(rows, [2]string{quote(k), quote(p.Tags[k])})
		}
		attributes(&b, "    ", rows)
		b.WriteString("  }\n")
	}
	// The provider sends a change of the user, and RabbitMQ brokers do not apply it.
	b.WriteString("\n  lifecycle {\n    ignore_changes = [user]\n  }\n}\n")
	return b.String()
}

func block(b *strings.Builder, name string, rows [][2]string) {
	fmt.Fprintf(b, "\n  %s {\n", name)
	attributes(b, "    ", rows)
	b.WriteString("  }\n")
}

// attributes writes name = value, aligned as terraform fmt does.
func attributes(b *strings.Builder, indent string, rows [][2]string) {
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(b, "%s%-*s = %s\n", indent, wide, r[0], r[1])
	}
}

// quote writes a text as Terraform reads it: no part of it is an expression.
func quote(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}
