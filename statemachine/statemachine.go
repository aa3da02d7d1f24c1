// Package statemachine holds the definition that moves one upload along, byte for byte as it is deployed, so that the
// one-machine stack and the tests run what AWS runs. It must not know how the definition is executed, what a function
// does, or anything about a platform.
package statemachine

import _ "embed"

//go:embed publish.asl.json
var definition string

// Definition returns a copy of publish.asl.json (Amazon States Language, JSONPath, Standard workflow; design 2). The
// names of functions are placeholders, see Substitutions.
func Definition() []byte { return []byte(definition) }

// Substitutions maps each placeholder of the definition (template.yaml: DefinitionSubstitutions) to the folder under
// functions/ that it stands for. A caller turns the folder into whatever its invoker understands: an ARN in AWS, the
// bare name on one machine.
func Substitutions() map[string]string {
	return map[string]string{
		"InitUploadFunctionArn":   "initupload",
		"UploadPartFunctionArn":   "uploadpart",
		"FinalizeFunctionArn":     "finalize",
		"ParkFunctionArn":         "park",
		"RefreshTokenFunctionArn": "refreshtoken",
	}
}

// Step names a place in the definition whose answer ("next") steers it.
type Step string

// The steps whose answers steer the definition. Open is initupload, the others are steps of finalize.
const (
	Open    Step = "open"
	Publish Step = "publish"
	Inspect Step = "inspect"
	Check   Step = "check"
)

// Answers returns the words that a step may send as "next", each with its own edge in the definition. Any other word
// leads to Settle, which reads the ledger: the cautious edge, but one that ends the generation.
func Answers(s Step) []string {
	switch s {
	case Open:
		return []string{"carry", "complete", "publish", "look", "watch", "again", "park", "renew", "end", "superseded"}
	case Publish:
		return []string{"posted", "early", "renew", "unknown", "refused", "held"}
	case Inspect:
		return []string{"found", "permit", "open", "again", "held"}
	case Check:
		return []string{"live", "blocked", "failed", "later", "open"}
	default:
		return nil
	}
}
