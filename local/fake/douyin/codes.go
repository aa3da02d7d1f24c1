package douyin

import "slices"

// Class says who must react to a code and how (ref. A.9).
type Class string

// The classes of ref. A.9.
const (
	Retry     Class = "R" // retry with backoff
	Refresh   Class = "T" // refresh the token, then retry once
	Authorize Class = "A" // the user must authorize again
	Permanent Class = "P" // permanent for this request
	Quota     Class = "Q" // wait for quota, or for the next day
	Stop      Class = "X" // the app is misconfigured, stop the whole target
)

// Code is one row of the error table, ref. A.9. Where the table gives two classes, both are listed in its order.
type Code struct {
	Code    int     `json:"code"`
	Meaning string  `json:"meaning"`
	Classes []Class `json:"classes"`
}

// Codes returns the whole table of ref. A.9, but for 0, in its order. The caller owns it.
func Codes() []Code {
	var out []Code
	add := func(meaning string, classes []Class, codes ...int) {
		for _, c := range codes {
			out = append(out, Code{Code: c, Meaning: meaning, Classes: slices.Clone(classes)})
		}
	}
	r, t, a, p, q, x := []Class{Retry}, []Class{Refresh}, []Class{Authorize}, []Class{Permanent}, []Class{Quota}, []Class{Stop}
	ta, aq := []Class{Refresh, Authorize}, []Class{Authorize, Quota}
	add("OAuth system error", r, 10001)
	add("parameter wrong", p, 10002)
	add("parameter missing", p, 10005)
	add("client_key unknown", x, 10003)
	add("client_key or client_secret wrong", x, 10013)
	add("client_key differs from the one that got the code", x, 10014)
	add("wrong app type", x, 10015)
	add("app lacks the permission or scope", x, 10004)
	add("redirect URI not registered", x, 10006)
	add("authorization code expired or used", a, 10007)
	add("access_token invalid or expired", t, 10008)
	add("refresh_token invalid or expired", a, 10010)
	add("app in review", x, 10012)
	add("renewals used up, or too many client_token calls", aq, 10020)
	add("system busy", r, 2100004)
	add("parameter invalid", p, 2100005)
	add("no right to operate", p, 2100007)
	add("user barred", p, 2100009)
	add("quota used up", q, 2190001)
	add("access_token invalid", ta, 2190002)
	add("user has not authorized this API", a, 2190003)
	add("app has not been granted the ability", x, 2190004)
	add("file too large for a single upload", p, 2190005)
	add("video longer than 15 minutes", p, 2190006, 2114006)
	add("video_id invalid", p, 2190007)
	add("access_token expired", t, 2190008)
	add("open_id and access_token do not match", p, 2190015)
	add("app banned or offline", x, 2190016)
	add("posting barred for this user", p, 2114005)
	add("daily post limit", q, 2114007)
	add("sensitive word", p, 2111001)
	add("access_token invalid", ta, 28001003)
	add("system busy, retry", r, 28001005)
	add("network call failed, retry", r, 28001006)
	add("parameter invalid", p, 28001007)
	add("access_token expired", t, 28001008)
	add("user has not authorized this API", a, 28001012)
	add("app has no ability", x, 28001014)
	add("app has not been granted this ability", x, 28001018)
	add("open_id and access_token do not match", p, 28001015)
	add("app banned", x, 28001016)
	add("ability banned", x, 28001019)
	add("API retired", x, 28001056)
	add("unknown URI", x, 28001017)
	add("user not bound to the test app", x, 28001020)
	add("test app expired", x, 28001021)
	add("user closed the account", p, 28001045)
	add("user banned", p, 28001046)
	add("user is private", p, 28001047)
	add("call looks risky, slow down", q, 28001052)
	add("quota used up", q, 28003017)
	add("calls too frequent", q, 28003018)
	add("client_key invalid", x, 29002002)
	return out
}

func meaning(code int) string {
	for _, c := range Codes() {
		if c.Code == code {
			return c.Meaning
		}
	}
	return "unknown error"
}

// problem is a failure by name; its code depends on the kind of call (ref. A.9, generation-correct codes).
type problem string

const (
	paramInvalid  problem = "param"
	paramMissing  problem = "missing"
	busy          problem = "busy"
	network       problem = "network"
	tokenInvalid  problem = "invalid"
	tokenExpired  problem = "expired"
	mismatch      problem = "mismatch"
	userScope     problem = "user_scope"
	appScope      problem = "app_scope"
	unknownURI    problem = "unknown_uri"
	tooLarge      problem = "too_large"
	tooLong       problem = "too_long"
	videoInvalid  problem = "video_invalid"
	noRight       problem = "no_right"
	dailyLimit    problem = "daily"
	quotaUsed     problem = "quota"
	tooFrequent   problem = "rate"
	sensitive     problem = "sensitive"
	risky         problem = "risky"
	keyUnknown    problem = "key_unknown"
	secretWrong   problem = "secret_wrong"
	keyDiffers    problem = "key_differs"
	noPermission  problem = "no_permission"
	badRedirect   problem = "bad_redirect"
	codeDead      problem = "code_dead"
	refreshDead   problem = "refresh_dead"
	renewalsSpent problem = "renewals_spent"
)

// problemCodes: OAuth, legacy, v1. One code in all three where ref. A.9 knows only one.
func problemCodes() map[problem][3]int {
	return map[problem][3]int{
		paramInvalid:  {10002, 2100005, 28001007},
		paramMissing:  {10005, 2100005, 28001007},
		busy:          {10001, 2100004, 28001005},
		network:       {10001, 2100004, 28001006},
		tokenInvalid:  {10008, 2190002, 28001003},
		tokenExpired:  {10008, 2190008, 28001008},
		mismatch:      {10008, 2190015, 28001015},
		userScope:     {10004, 2190003, 28001012},
		appScope:      {10004, 2190004, 28001018},
		unknownURI:    {28001017, 28001017, 28001017},
		tooLarge:      {2190005, 2190005, 2190005},
		tooLong:       {2190006, 2190006, 2114006},
		videoInvalid:  {2190007, 2190007, 2190007},
		noRight:       {2100007, 2100007, 2100007},
		dailyLimit:    {2114007, 2114007, 2114007},
		quotaUsed:     {10020, 2190001, 28003017},
		tooFrequent:   {10020, 2190001, 28003018},
		sensitive:     {2111001, 2111001, 2111001},
		risky:         {28001052, 28001052, 28001052},
		keyUnknown:    {10003, 10003, 10003},
		secretWrong:   {10013, 10013, 10013},
		keyDiffers:    {10014, 10014, 10014},
		noPermission:  {10004, 10004, 10004},
		badRedirect:   {10006, 10006, 10006},
		codeDead:      {10007, 10007, 10007},
		refreshDead:   {10010, 10010, 10010},
		renewalsSpent: {10020, 10020, 10020},
	}
}

// family is the kind of a call: its envelope and its codes.
type family int

const (
	oauthCall family = iota
	legacyCall
	v1Call
)

func familyOf(g Generation) family {
	if g == Legacy {
		return legacyCall
	}
	return v1Call
}

func (p problem) code(f family) int { return problemCodes()[p][f] }

// ProblemNames lists the words that Fault.Name takes; each becomes the code of the generation of the call it strikes.
func ProblemNames() []string {
	var out []string
	for p := range problemCodes() {
		out = append(out, string(p))
	}
	slices.Sort(out)
	return out
}

// Condition is a lasting state of an app or a user that makes the platform refuse (ref. A.9, [st] and [gad] rows).
type Condition string

// Conditions of an app (SetApp) and of a user (SetAccount). OK ends any.
const (
	OK            Condition = ""
	InReview      Condition = "in_review"      // app: OAuth 10012
	WrongType     Condition = "wrong_type"     // app: OAuth 10015
	AppBanned     Condition = "app_banned"     // app: 2190016, 28001016
	NoAbility     Condition = "no_ability"     // app: 2190004, 28001014
	AbilityBanned Condition = "ability_banned" // app: 28001019
	Retired       Condition = "retired"        // app: 28001056
	TestExpired   Condition = "test_expired"   // app: 28001021
	NotBound      Condition = "not_bound"      // user: 28001020
	Barred        Condition = "barred"         // user: 2100009
	PostingBarred Condition = "posting_barred" // user, on create: 2114005
	Closed        Condition = "closed"         // user: 28001045
	Banned        Condition = "banned"         // user: 28001046
	Private       Condition = "private"        // user: 28001047
	Risky         Condition = "risky"          // user: 28001052
)

// conditionCodes: OAuth, legacy, v1; 0 where the condition does not stop that kind of call. Conditions that only the
// newer page [st] lists answer with its code on legacy paths too: no older code is known.
func conditionCodes() map[Condition][3]int {
	return map[Condition][3]int{
		InReview:      {10012, 0, 0},
		WrongType:     {10015, 0, 0},
		AppBanned:     {0, 2190016, 28001016},
		NoAbility:     {0, 2190004, 28001014},
		AbilityBanned: {0, 28001019, 28001019},
		Retired:       {0, 28001056, 28001056},
		TestExpired:   {0, 28001021, 28001021},
		NotBound:      {0, 28001020, 28001020},
		Barred:        {0, 2100009, 2100009},
		PostingBarred: {0, 2114005, 2114005},
		Closed:        {0, 28001045, 28001045},
		Banned:        {0, 28001046, 28001046},
		Private:       {0, 28001047, 28001047},
		Risky:         {0, 28001052, 28001052},
	}
}
