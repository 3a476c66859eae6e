package doctor

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readTerraform reads the resources that matter: brokers, and task definitions of ECS.
func readTerraform(s *system, file string, after int, text string) bool {
	s.excuse(file, after, text)
	parsed, problems := hclsyntax.ParseConfig([]byte(text), file, hcl.InitialPos)
	for _, p := range problems {
		if p.Severity == hcl.DiagError && p.Subject != nil {
			s.unread = append(s.unread, Unread{Place{file, after + p.Subject.Start.Line, p.Subject.Start.Column}, p.Summary + ": " + p.Detail})
		}
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	if !ok {
		return false
	}
	found := false
	for _, block := range body.Blocks {
		if block.Type != "resource" || len(block.Labels) != 2 {
			continue
		}
		if block.Labels[0] == "aws_ecs_task_definition" {
			found = true
			s.terraformTask(file, after, text, block)
		}
		if block.Labels[0] != "aws_mq_broker" {
			continue
		}
		found = true
		at := func(p hcl.Pos) Place { return Place{file, after + p.Line, p.Column} }
		b := creation{Place: at(block.TypeRange.Start), at: make(map[string]Place), terraform: true, public: "false"}
		take := func(field string, attributes hclsyntax.Attributes, name string) string {
			a, ok := attributes[name]
			if !ok {
				return ""
			}
			b.at[field] = at(a.NameRange.Start)
			v, problems := a.Expr.Value(nil)
			switch {
			case problems.HasErrors() || v.IsNull() || !v.IsKnown():
				return ""
			case v.Type() == cty.Bool && v.True():
				return "true"
			case v.Type() == cty.Bool:
				return "false"
			case v.Type() == cty.String:
				return v.AsString()
			}
			return ""
		}
		own := block.Body.Attributes
		b.engine = take("engine", own, "engine_type")
		b.version = take("version", own, "engine_version")
		b.instance = take("instance", own, "host_instance_type")
		b.mode = take("mode", own, "deployment_mode")
		b.patches = take("patches", own, "auto_minor_version_upgrade")
		if v := take("public", own, "publicly_accessible"); v != "" {
			b.public = v
		}
		for _, inner := range block.Body.Blocks {
			switch inner.Type {
			case "user":
				b.password = take("password", inner.Body.Attributes, "password")
			case "maintenance_window_start_time":
				b.window = true
			}
		}
		if b.engine == "" || b.engine == "RabbitMQ" || b.engine == "RABBITMQ" {
			s.creations = append(s.creations, b)
		}
	}
	return found
}
