package handler

import (
	"context"
	"log/slog"
	"time"
)

// Metric writes one value as a log line in embedded metric format, of which CloudWatch makes the metric name in
// Namespace. dims are pairs of a dimension's name and its value; the metric is counted with all of them together, so each
// must have few values (never an upload's id).
func Metric(ctx context.Context, log *slog.Logger, name, unit string, value float64, dims ...string) {
	var names []string
	attrs := []slog.Attr{slog.Float64(name, value)}
	for i := 0; i+1 < len(dims); i += 2 {
		names = append(names, dims[i])
		attrs = append(attrs, slog.String(dims[i], Redact(dims[i+1], 64)))
	}
	if names == nil {
		names = []string{}
	}
	attrs = append(attrs, slog.Any("_aws", map[string]any{
		"Timestamp": time.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": Namespace, "Dimensions": [][]string{names}, "Metrics": []any{map[string]string{"Name": name, "Unit": unit}},
		}},
	}))
	log.LogAttrs(ctx, slog.LevelInfo, "metric", attrs...)
}
