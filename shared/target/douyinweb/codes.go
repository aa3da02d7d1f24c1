package douyinweb

import (
	"slices"

	"github.com/vodlift/vodlift/shared/fault"
)

// Step is a call, as the table of codes names it.
type Step string

// The calls that this package makes.
const (
	StepAuth    Step = "auth"    // upload credentials
	StepSlot    Step = "slot"    // GetVideoUploadParams
	StepOpen    Step = "open"    // ?uploads
	StepUpload  Step = "upload"  // the video in one request
	StepPart    Step = "part"    // a chunk
	StepClose   Step = "close"   // the list of chunks
	StepConfirm Step = "confirm" // UpdateVideoUploadInfos
	StepCSRF    Step = "csrf"    // the token against forgery, before create
	StepCreate  Step = "create"  // aweme/create: the one that is never repeated blindly
	StepUser    Step = "user"    // is the login alive?
)

// Action is the safe thing to do (design 4.12).
type Action string

// The actions.
const (
	ActRetry Action = "retry"
	ActWait  Action = "wait until"
	ActLogin Action = "log in again"
	ActLook  Action = "look, then decide"
	ActNever Action = "never"
)

// Names of the rows. The site has few documented codes of its own; the others name what an answer looks like.
const (
	RowHuman    = "110"          // status_code 110
	RowVerify   = "verify"       // the header that asks for verification
	RowLogin    = "login"        // auth or user without what it is for
	RowDenied   = "denied"       // HTTP 401 or 403 of the site
	RowEmpty    = "empty"        // no body
	RowPage     = "login-page"   // HTML, or a redirect, to a login or captcha
	RowStatus   = "status_code"  // create: any other status_code
	RowRate     = "30411"        // the gateway's code for too many requests, as a sister site has it
	RowVideo    = "video-code"   // the gateway's code is not 2000
	RowAuth     = "video-denied" // HTTP 401 or 403 of the gateway
	RowStorage  = "storage"      // success is not 0, or HTTP 4xx
	RowGone     = "storage-gone" // HTTP 401, 403, 404, 410 of the storage
	RowProtocol = "protocol"     // a field is missing, renamed or of another type
	RowThrottle = "429"          // HTTP 429
	RowBroken   = "5xx"          // HTTP 5xx
	RowStrange  = "not-json"     // HTTP 200 without JSON
	RowHTTP     = "http"         // any other HTTP status
)

// Code is one row of the table of what can go wrong.
type Code struct {
	Code      string
	Steps     []Step
	Meaning   string
	MeaningZH string

	Kind   fault.Kind
	Effect fault.Effect // EffectNone only where the refusal is proven; it matters on create

	AssetKept   bool // on create: refused at the door, the video is still good
	SessionLost bool // target.ErrSessionLost
	Credential  bool // target.ErrSessionCredential, at confirm
	Quota       bool

	Actor  fault.Actor
	Action Action
	Advice string
}

// Codes lists every row in order. The slice is the caller's.
func Codes() []Code { return table() }

func lookup(code string) Code {
	rows := table()
	if i := slices.IndexFunc(rows, func(c Code) bool { return c.Code == code }); i >= 0 {
		return rows[i]
	}
	return Code{Code: code, Kind: fault.Unknown, Actor: fault.ActorOperator, Action: ActLook}
}

// KindAt is the kind at a step: what asks to try again leaves the outcome open where a repeat is not harmless.
func (c Code) KindAt(s Step) fault.Kind {
	if c.Effect == fault.EffectUnknown && s == StepCreate && c.Kind != fault.CredentialsExpired {
		return fault.Unknown
	}
	if c.Kind == fault.Retryable && !harmless(s) && !(c.Quota && s != StepCreate) { // a quota refuses before it does
		return fault.Unknown
	}
	return c.Kind
}

// harmless tells whether repeating a step whose outcome is open does no harm. close and confirm may be repeated, too,
// but Complete wants its unknown outcomes counted.
func harmless(s Step) bool { return s != StepCreate && s != StepClose && s != StepConfirm }

// Groups of steps.
func siteSteps() []Step    { return []Step{StepAuth, StepCSRF, StepCreate, StepUser} }
func bodySteps() []Step    { return []Step{StepAuth, StepCreate, StepUser} } // csrf is a HEAD
func storageSteps() []Step { return []Step{StepOpen, StepUpload, StepPart, StepClose} }
func allSteps() []Step {
	return []Step{StepAuth, StepSlot, StepOpen, StepUpload, StepPart, StepClose, StepConfirm, StepCSRF, StepCreate, StepUser}
}

func table() []Code {
	login := func(c Code) Code {
		c.Kind, c.Actor, c.Action, c.Advice = fault.CredentialsExpired, fault.ActorOwner, ActLogin, loginAgain
		return c
	}
	none := func(c Code) Code { c.Effect, c.AssetKept = fault.EffectNone, true; return c }
	human := func(c Code) Code {
		c = none(login(c))
		c.Advice = "Open the creator site in a browser, do what it asks, export the cookies again, and give them to this account."
		return c
	}
	busy := func(c Code) Code {
		c.Kind, c.Actor, c.Action = fault.Retryable, fault.ActorPlatform, ActRetry
		c.Advice = "It is tried again by itself. After a create nothing is repeated: look at the account's works, then resolve it."
		return c
	}
	changed := func(c Code) Code {
		c.Kind, c.Actor, c.Action = fault.Permanent, fault.ActorOperator, ActNever
		c.Advice = "The site may have changed. Pause this target, compare the answer with the reference, and look for a newer vodlift."
		return c
	}
	status := changed(Code{Code: RowStatus, Steps: []Step{StepCreate}, Meaning: "create answered another status_code", MeaningZH: "发布返回错误码"})
	status.Advice, status.Action = "The code is not documented, so it proves nothing: look at the account's works, then resolve it.", ActLook
	throttle := busy(Code{Code: RowThrottle, Steps: allSteps(), Meaning: "too many requests (HTTP 429)", MeaningZH: "请求过于频繁", Quota: true})
	throttle.Action = ActWait
	rate := busy(Code{Code: RowRate, Steps: []Step{StepSlot, StepConfirm}, Meaning: "too many requests (code 30411, as on a sister site)", MeaningZH: "视频网关请求过于频繁", Quota: true})
	rate.Action = ActWait
	auth := Code{Code: RowAuth, Steps: []Step{StepSlot, StepConfirm}, Meaning: "the upload credentials were refused (HTTP 401 or 403)", MeaningZH: "上传凭证被拒绝", Kind: fault.TokenExpired,
		Credential: true, Actor: fault.ActorUs, Action: ActRetry, Advice: "New upload credentials are asked for and the upload goes on."}
	gone := Code{Code: RowGone, Steps: storageSteps(), Meaning: "the storage no longer takes this upload (HTTP 401, 403, 404 or 410)", MeaningZH: "上传地址已失效", Kind: fault.Permanent,
		SessionLost: true, Actor: fault.ActorUs, Action: ActRetry, Advice: "A new slot is asked for and the file sent again."}
	storage := busy(Code{Code: RowStorage, Steps: storageSteps(), Meaning: "the storage refused the bytes (success is not 0)", MeaningZH: "存储拒绝该分片"})
	storage.Advice = "The chunk is sent again."
	return []Code{
		human(Code{Code: RowHuman, Steps: bodySteps(), Meaning: "the site wants a human check (status_code 110)", MeaningZH: "需要人工验证"}),
		human(Code{Code: RowVerify, Steps: siteSteps(), Meaning: "the site wants a verification (x-tt-verify-passport-decision)", MeaningZH: "需要安全验证"}),
		none(login(Code{Code: RowLogin, Steps: []Step{StepAuth, StepUser}, Meaning: "the site does not know this login any more", MeaningZH: "登录已失效"})),
		none(login(Code{Code: RowDenied, Steps: siteSteps(), Meaning: "the site refused the cookies (HTTP 401 or 403)", MeaningZH: "拒绝访问，请重新登录"})),
		login(Code{Code: RowEmpty, Steps: bodySteps(), Meaning: "an empty answer: log in again", MeaningZH: "空响应，请重新登录"}),
		login(Code{Code: RowPage, Steps: siteSteps(), Meaning: "a login or captcha page in place of an answer", MeaningZH: "返回登录或验证页面"}),
		status,
		rate,
		changed(Code{Code: RowVideo, Steps: []Step{StepSlot, StepConfirm}, Meaning: "the video gateway answered another code than 2000", MeaningZH: "视频网关返回错误码"}),
		auth,
		storage,
		gone,
		changed(Code{Code: RowProtocol, Steps: allSteps(), Meaning: "a field of the answer is missing, renamed or of another type", MeaningZH: "响应字段缺失或类型不符"}),
		throttle,
		busy(Code{Code: RowBroken, Steps: allSteps(), Meaning: "the platform's trouble (HTTP 5xx)", MeaningZH: "平台内部错误"}),
		busy(Code{Code: RowStrange, Steps: slices.DeleteFunc(allSteps(), func(s Step) bool { return s == StepCSRF }), Meaning: "no JSON, or cut JSON", MeaningZH: "响应不是有效的 JSON"}),
		changed(Code{Code: RowHTTP, Steps: allSteps(), Meaning: "another HTTP status", MeaningZH: "其他 HTTP 状态"}),
	}
}
