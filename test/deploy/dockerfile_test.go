package deploy

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// offline knows the images that are built upon, and asks nobody.
type offline struct{}

func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, digest.FromString("golang"), []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/go/bin:/usr/bin:/bin"],"WorkingDir":"/go"},"rootfs":{"type":"layers"}}`), nil
}

// The Dockerfile is taken by BuildKit itself, without a warning of its linter, for both machines.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, machine := range []string{"amd64", "arm64"} {
		target := &ocispecs.Platform{OS: "linux", Architecture: machine}
		result, err := dockerfile2llb.Dockerfile2LLB(context.Background(), text, dockerfile2llb.ConvertOpt{
			Config:         dockerui.Config{BuildPlatforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}},
			TargetPlatform: target, MetaResolver: offline{},
			Warn: func(name, description, url, message string, at []parser.Range) {
				t.Errorf("%s: %s (%s) at %v", name, message, description, at)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		image, c := result.Image, result.Image.Config
		if image.Architecture != machine || c.User != "65532:65532" || strings.Join(c.Entrypoint, " ") != "/umbel" || c.Healthcheck == nil {
			t.Errorf("%s: %+v", machine, image)
		}
		if got := strings.Join(c.Healthcheck.Test, " "); got != "CMD /umbel healthcheck" {
			t.Errorf("health check %q", got)
		}
		def, err := result.State.Marshal(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		built := false
		for _, raw := range def.Def {
			var op pb.Op
			if err := op.UnmarshalVT(raw); err != nil {
				t.Fatal(err)
			}
			if x := op.GetSource(); x != nil && strings.Contains(x.Identifier, "golang") && op.Platform.Architecture != "amd64" {
				t.Errorf("%s is built on %s: emulated", machine, op.Platform.Architecture)
			}
			if x := op.GetExec(); x != nil && strings.Contains(strings.Join(x.Meta.Args, " "), "go build") {
				built = true
				env := strings.Join(x.Meta.Env, " ")
				if !strings.Contains(env, "TARGETARCH="+machine) || !strings.Contains(strings.Join(x.Meta.Args, " "), "GOARCH=${TARGETARCH}") {
					t.Errorf("%s is built with %s", machine, env)
				}
			}
		}
		if !built {
			t.Error("nothing is built")
		}
	}
}

// What BuildKit has to say against a Dockerfile reaches the test.
func TestTheLinterOfBuildKitWarns(t *testing.T) {
	t.Parallel()
	warned := ""
	_, err := dockerfile2llb.Dockerfile2LLB(context.Background(), []byte("FROM scratch as build\nCMD /umbel worker\n"), dockerfile2llb.ConvertOpt{
		TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "amd64"}, MetaResolver: offline{},
		Warn: func(name, _, _, _ string, _ []parser.Range) { warned += name + " " },
	})
	if err != nil || !strings.Contains(warned, "FromAsCasing") || !strings.Contains(warned, "JSONArgsRecommended") {
		t.Errorf("%q, %v", warned, err)
	}
}
