// Package cloudtest is an account of AWS for tests of package cloud and of who uses it: a strict server that speaks the
// protocols which the SDK speaks (query, JSON 1.0 and 1.1, REST) for the few calls that are made. It checks that each is
// signed for its service, keeps what was changed, and can refuse, fail and forget. It is no emulator: a call that it does
// not know fails the test.
package cloudtest

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Region is where the account's things are; every other region is empty.
const Region = "eu-central-1"

// AccountID is the account: the one of AWS's own examples. It must never be seen whole.
const AccountID = "1234" + "5678" + "9012"

// AWS is the account. Its fields may be changed while no call runs.
type AWS struct {
	URL string
	// Name of the one stack; "" = none. Status, Parameters, Outputs, Resources are of it.
	Name, Status, Why   string
	Parameters, Outputs map[string]string
	Resources           []Resource
	// Concurrent and Unreserved are Lambda's limits.
	Concurrent, Unreserved int
	Quotas                 map[string][]Quota // by service
	Pending                map[string]float64 // asked for, by quota's code
	RulesOff               map[string]bool    // by name
	RulesGone              map[string]bool
	Objects                map[string]int // key -> bytes, in the bucket "inbox-1"
	Uploads                []string       // begun, by key
	NoBucket, NoEvents     bool
	Table                  string // "" = gone
	Protected              bool
	Key, Machine           string          // their state
	Deny                   map[string]bool // actions, as IAM calls them
	Clock                  time.Duration   // the Date of answers is off by that
	DeleteFails            int             // deletions of the stack that fail before one succeeds
	ReadOnly               bool            // a change fails the test

	t       *testing.T
	mu      sync.Mutex
	changes []string
	deleted int // looks since the deletion was begun
}

// Resource is one of the stack's.
type Resource struct{ Logical, Physical, Type, Status, Why string }

// Quota is one limit.
type Quota struct {
	Code, Name string
	Value      float64
	Fixed      bool // not adjustable
	Default    bool // only among AWS's defaults
}

// New starts an account and points the SDK of this process's environment at it.
func New(t *testing.T) *AWS {
	t.Helper()
	a := &AWS{
		t: t, Name: "vodlift", Status: "CREATE_COMPLETE", Parameters: map[string]string{"PoolGlobal": "5", "OfAnotherVersion": "x"}, Outputs: map[string]string{},
		Concurrent: 1000, Unreserved: 1000, Quotas: Standard(), Pending: map[string]float64{}, RulesOff: map[string]bool{}, RulesGone: map[string]bool{},
		Objects: map[string]int{}, Table: "table-1", Protected: true, Key: "Enabled", Machine: "ACTIVE", Deny: map[string]bool{},
	}
	a.Resources = []Resource{
		{"Inbox", "inbox-1", "AWS::S3::Bucket", "CREATE_COMPLETE", ""},
		{"Table", "table-1", "AWS::DynamoDB::Table", "CREATE_COMPLETE", ""},
		{"SealKey", "key-1", "AWS::KMS::Key", "CREATE_COMPLETE", ""},
		{"PublishStateMachine", "arn:aws:states:" + Region + ":" + AccountID + ":stateMachine:vodlift-publish", "AWS::StepFunctions::StateMachine", "CREATE_COMPLETE", ""},
	}
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	a.URL = srv.URL
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "SECRET-OF-AWS", "AWS_SESSION_TOKEN": "", "AWS_REGION": Region, "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
		"AWS_ENDPOINT_URL": srv.URL, "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
	} {
		t.Setenv(k, v)
	}
	return a
}

// AddRules gives the stack rules of those logical ids, named after them.
func (a *AWS) AddRules(ids ...string) {
	for _, id := range ids {
		a.Resources = append(a.Resources, Resource{id, "rule-" + id, "AWS::Events::Rule", "CREATE_COMPLETE", ""})
	}
}

// Standard are quotas as a common account has them.
func Standard() map[string][]Quota {
	return map[string][]Quota{
		"apigateway": {{Code: "L-8A5B8E43", Name: "Throttle rate", Value: 10000}, {Code: "L-CDF5615A", Name: "Throttle burst rate", Value: 5000, Fixed: true}},
		"states": {
			{Code: "L-START-B", Name: "StartExecution throttle token bucket size", Value: 800}, {Code: "L-START-R", Name: "StartExecution throttle token refill rate per second", Value: 150},
			{Code: "L-MOVE-B", Name: "StateTransition throttle token bucket size", Value: 800}, {Code: "L-MOVE-R", Name: "StateTransition throttle token refill rate per second", Value: 800, Default: true},
		},
		"kms":      {{Code: "L-6E3AF000", Name: "Cryptographic operations (symmetric) request rate", Value: 20000}},
		"dynamodb": {{Code: "L-CF0CBE56", Name: "Table-level read throughput limit", Value: 40000}, {Code: "L-AB614373", Name: "Table-level write throughput limit", Value: 40000}},
	}
}

// Changes are the calls that changed something, in order.
func (a *AWS) Changes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.changes)
}

var scope = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, Signature=[0-9a-f]{64}$`)

// ServeHTTP answers one call.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		a.t.Errorf("%s %s is not signed: %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if a.Clock != 0 {
		w.Header().Set("Date", time.Now().Add(a.Clock).UTC().Format(http.TimeFormat))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	here := m[1] == Region
	switch service := m[2]; service {
	case "sts", "cloudformation":
		a.query(w, service, here, body)
	case "servicequotas", "events", "dynamodb", "kms", "states":
		a.json(w, r, service, here, body)
	case "lambda":
		a.lambda(w, r)
	case "s3":
		a.s3(w, r, here, body)
	default:
		a.t.Errorf("a call of %s: %s %s", service, r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
	}
}

// changing is said of each call that changes something.
func (a *AWS) changing(what string) {
	if a.ReadOnly {
		a.t.Errorf("this only reads, and called %s", what)
	}
	a.changes = append(a.changes, what)
}

func (a *AWS) denied(w http.ResponseWriter, action string, write func(w http.ResponseWriter, status int, code, msg string)) bool {
	if !a.Deny[action] {
		return false
	}
	code := "AccessDeniedException"
	if !strings.Contains(action, "events:") && (strings.HasPrefix(action, "sts:") || strings.HasPrefix(action, "cloudformation:") || strings.HasPrefix(action, "s3:")) {
		code = "AccessDenied"
	}
	write(w, http.StatusForbidden, code, "User: arn:aws:iam::"+AccountID+":user/me is not authorized to perform: "+action)
	return true
}

func xmlError(w http.ResponseWriter, status int, code, msg string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, msg)
}

func jsonError(w http.ResponseWriter, status int, code, msg string) {
	b, _ := json.Marshal(map[string]string{"__type": code, "message": msg})
	w.Header().Set("X-Amzn-Errortype", code)
	w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func (a *AWS) query(w http.ResponseWriter, service string, here bool, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		a.t.Error(err)
	}
	op := form.Get("Action")
	w.Header().Set("Content-Type", "text/xml")
	if a.denied(w, service+":"+op, xmlError) {
		return
	}
	answer := func(inner string) {
		fmt.Fprintf(w, `<%sResponse><%sResult>%s</%sResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%sResponse>`, op, op, inner, op, op)
	}
	name := form.Get("StackName")
	mine := here && a.Name != "" && (name == "" || name == a.id() || name == a.Name && a.Status != "DELETE_COMPLETE")
	switch service + ":" + op {
	case "sts:GetCallerIdentity":
		answer("<Arn>arn:aws:iam::" + AccountID + ":user/me</Arn><UserId>AIDA</UserId><Account>" + AccountID + "</Account>")
	case "cloudformation:DescribeStacks":
		if !mine && name != "" {
			xmlError(w, http.StatusBadRequest, "ValidationError", "Stack with id "+name+" does not exist")
			return
		}
		if !mine || name == "" && a.Status == "DELETE_COMPLETE" {
			answer("<Stacks></Stacks>")
			return
		}
		a.deleting()
		answer("<Stacks>" + a.member() + "</Stacks>")
	case "cloudformation:ListStacks":
		inner := ""
		if here && a.Status == "DELETE_COMPLETE" {
			inner = "<member><StackName>" + a.Name + "</StackName><StackId>" + a.id() + "</StackId><StackStatus>DELETE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><DeletionTime>2026-11-01T00:00:00Z</DeletionTime></member>"
		}
		answer("<StackSummaries>" + inner + "</StackSummaries>")
	case "cloudformation:ListStackResources":
		inner := ""
		for _, r := range a.Resources {
			inner += "<member><LogicalResourceId>" + r.Logical + "</LogicalResourceId><PhysicalResourceId>" + r.Physical + "</PhysicalResourceId><ResourceType>" + r.Type +
				"</ResourceType><ResourceStatus>" + r.Status + "</ResourceStatus><ResourceStatusReason>" + r.Why + "</ResourceStatusReason><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>"
		}
		answer("<StackResourceSummaries>" + inner + "</StackResourceSummaries>")
	case "cloudformation:DeleteStack":
		a.changing("cloudformation:DeleteStack")
		a.deleted = 1
		answer("")
	default:
		a.t.Errorf("%s:%s is not known here", service, op)
		xmlError(w, http.StatusBadRequest, "InvalidAction", op)
	}
}

func (a *AWS) id() string {
	return "arn:aws:cloudformation:" + Region + ":" + AccountID + ":stack/" + a.Name + "/1"
}

// deleting moves a deletion along by one look: still the old status, in progress, over.
func (a *AWS) deleting() {
	switch {
	case a.deleted == 0:
		return
	case a.deleted == 2:
		a.Status = "DELETE_IN_PROGRESS"
	case a.deleted == 4 && a.DeleteFails > 0:
		a.DeleteFails--
		a.Status, a.Why, a.deleted = "DELETE_FAILED", "The following resource(s) failed to delete: [DeadLetters].", 0
		a.Resources = append(a.Resources, Resource{"DeadLetters", "https://sqs/1/q", "AWS::SQS::Queue", "DELETE_FAILED", "account " + AccountID + " may not sqs:DeleteQueue"})
		return
	case a.deleted == 4:
		a.Status, a.deleted = "DELETE_COMPLETE", 0
		return
	}
	a.deleted++
}

func (a *AWS) member() string {
	s := "<member><StackName>" + a.Name + "</StackName><StackId>" + a.id() + "</StackId><StackStatus>" + a.Status + "</StackStatus><StackStatusReason>" + a.Why + "</StackStatusReason><CreationTime>2026-01-01T00:00:00Z</CreationTime><Parameters>"
	for k, v := range a.Parameters {
		s += "<member><ParameterKey>" + k + "</ParameterKey><ParameterValue>" + v + "</ParameterValue></member>"
	}
	s += "</Parameters><Outputs>"
	for k, v := range a.Outputs {
		s += "<member><OutputKey>" + k + "</OutputKey><OutputValue>" + v + "</OutputValue></member>"
	}
	return s + "</Outputs></member>"
}
