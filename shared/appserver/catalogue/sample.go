package catalogue

import _ "embed"

//go:embed sample.json
var sample []byte

// Sample is a small catalogue of our own making, for the demo and as a pattern: a few entries of each kind. The objects
// that it names stand under catalogue/sample/ where somebody puts them.
func Sample() []byte { return append([]byte(nil), sample...) }
