// Package vodlift carries the deployed template into the one-machine program, which follows it: routes, rules,
// schedules, time-outs. It holds nothing else.
package vodlift

import _ "embed"

//go:embed template.yaml
var template []byte

// Template is template.yaml as it is deployed. The caller must not change it.
func Template() []byte { return template }
