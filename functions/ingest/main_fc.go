//go:build fc

// Command ingest on Function Compute holds no key of ours: it verifies what came and forwards it (design 2).
package main

import (
	"github.com/vodlift/vodlift/shared/forward"
	"github.com/vodlift/vodlift/shared/handler"
)

func main() { handler.Main("ingest", nil, forward.Function) }
