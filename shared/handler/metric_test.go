package handler_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/vodlift/vodlift/shared/handler"
)

func TestAMetricIsALineInEmbeddedMetricFormat(t *testing.T) {
	var b bytes.Buffer
	handler.Metric(t.Context(), handler.NewLog(&b, slog.LevelInfo), "uploads_ended", "Count", 1, "outcome", "HELD")
	var line struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
		Ended   float64 `json:"uploads_ended"`
		Outcome string  `json:"outcome"`
	}
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	m := line.AWS.CloudWatchMetrics
	if len(m) != 1 || m[0].Namespace != handler.Namespace || len(m[0].Dimensions) != 1 || len(m[0].Dimensions[0]) != 1 || m[0].Dimensions[0][0] != "outcome" ||
		len(m[0].Metrics) != 1 || m[0].Metrics[0].Name != "uploads_ended" || m[0].Metrics[0].Unit != "Count" || line.Ended != 1 || line.Outcome != "HELD" || line.AWS.Timestamp == 0 {
		t.Errorf("got %s", b.String())
	}
}
