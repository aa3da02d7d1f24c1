package buildcheck

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/workflow"
)

func TestTheSampleRequestIsOneThatIngestAccepts(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "events/ingest/post-publications.json"))
	if err != nil {
		t.Fatal(err)
	}
	var req events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(b, &req); err != nil {
		t.Fatal(err)
	}
	var in workflow.Request
	if err := handler.Decode([]byte(req.Body), &in, true); err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(in.Manifest, manifest.KnownTargets())
	if err != nil || m.Title != "First light" {
		t.Errorf("got %+v, %v", m, err)
	}
}
