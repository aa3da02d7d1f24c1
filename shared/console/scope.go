package console

import (
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/fault"
)

// The scopes of the console's pool (template.yaml).
const (
	scopeViewer   = "vodlift/viewer"
	scopeOperator = "vodlift/operator"
	scopeAdmin    = "vodlift/admin"
)

// errScope: the verb is not for this user of the pool.
var errScope = fault.New(fault.Permanent, "console.scope", "this is not for your scope; ask an admin")

// inScope says whether a user of the pool may use the verb that pattern serves; who signed with IAM, and who stands at one
// machine, was let in before.
//
// The gateway's routes ask for a scope each. They are looked at again here, by what will really be served: the gateway
// and the mux read a path each for itself, and where one takes /api/%61ccounts for accounts and the other does not, a
// route that is for operators would lead to a verb that is for admins.
func inScope(req events.APIGatewayV2HTTPRequest, pattern string) bool {
	by := req.RequestContext.Authorizer
	if by == nil || by.JWT == nil {
		return true
	}
	return slices.Contains(strings.Fields(by.JWT.Claims["scope"]), scopeOf(pattern))
}

func scopeOf(pattern string) string {
	switch method, _, _ := strings.Cut(pattern, " "); {
	case pattern == "POST /api/apps/{platform}", pattern == "POST /api/accounts", method == "DELETE":
		return scopeAdmin
	case method == "GET", pattern == "": // nothing is served there
		return scopeViewer
	}
	return scopeOperator
}
