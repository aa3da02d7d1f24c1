package douyin

import (
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Groups of steps.
func uploads() []Step { return []Step{StepInit, StepUpload, StepPart, StepComplete} }
func writes() []Step  { return append(uploads(), StepCover, StepCreate) }
func api() []Step     { return append(writes(), StepList, StepData, StepTicket, StepShareID) }
func oauth() []Step   { return []Step{StepRefresh, StepRenew, StepClient} }
func both() []Step    { return append(api(), oauth()...) }

// publishing is where a missing ability means that nothing can be published, by us or by hand.
func publishing(s Step) bool { return slices.Contains(append(writes(), StepTicket, StepShareID), s) }

// row starts from what the class implies.
func row(code int64, steps []Step, class Class, meaning, zh string, more ...func(*Code)) Code {
	c := Code{Code: code, Steps: steps, Class: class, Meaning: meaning, MeaningZH: zh, Effect: fault.EffectNone}
	switch class {
	case ClassRetry:
		c.Kind, c.Effect, c.Actor, c.Action = fault.Retryable, fault.EffectUnknown, fault.ActorPlatform, ActRetry
		c.Advice = "The platform is busy; it is tried again. After a create the list of works is looked at first."
	case ClassToken:
		c.Kind, c.AssetKept, c.Actor, c.Action = fault.TokenExpired, true, fault.ActorUs, ActRetry
		c.Advice = "The token is refreshed and the call repeated; if the fresh one is refused too, log in again."
	case ClassAuthorize:
		c.Kind, c.AssetKept, c.Actor, c.Action = fault.CredentialsExpired, true, fault.ActorOwner, ActLogin
		c.Advice = "Log in again and grant every scope that is asked for."
	case ClassRequest:
		c.Kind, c.Actor, c.Action = fault.Permanent, fault.ActorOwner, ActNever
	case ClassQuota:
		c.Kind, c.AssetKept, c.Quota, c.Actor, c.Action = fault.Retryable, true, true, fault.ActorUs, ActWait
		c.Advice = "It goes on by itself when the quota is free again."
	case ClassApp:
		c.Kind, c.AssetKept, c.Actor, c.Action = fault.Permanent, true, fault.ActorOperator, ActNever
		c.Advice = "Look at the app in the Douyin console; pause the target until it is mended, then retry."
	}
	for _, f := range more {
		f(&c)
	}
	return c
}

// What single rows add.
func advice(s string) func(*Code) { return func(c *Code) { c.Advice = s } }
func wait(d time.Duration) func(*Code) {
	return func(c *Code) { c.Wait = d }
}
func invalid(a fault.Actor, field, rule, s string) func(*Code) {
	return func(c *Code) {
		c.Kind, c.Actor, c.Action, c.Field, c.Rule, c.Advice = fault.Invalid, a, ActEdit, field, rule, s
	}
}
func deadSession(c *Code) { c.SessionLost = true }
func capability(c *Code) {
	c.Capability = true
	c.Advice = "Apply for the ability in the Douyin console, or let the account's owner publish by hand (hand-over); then retry."
}
func mismatch(c *Code) {
	c.Kind, c.AssetKept, c.Action = fault.CredentialsExpired, true, ActLogin
	c.Advice = "The stored token belongs to another user; log in again with the account's own user."
}
func spent(c *Code) {
	c.Kind, c.AssetSpent, c.Actor, c.Action = fault.Retryable, true, fault.ActorUs, ActRetry
	c.Advice = "The uploaded file can no longer be published; it is uploaded again."
}

// table is reference A.9, row by row. The Chinese meanings are our wording of the platform's texts.
func table() []Code {
	const barred = "The platform bars this user; the account owner has to settle it in the Douyin app."
	const parameter = "The platform refused a parameter; compare the manifest with the reference, then retry."
	long := invalid(fault.ActorOwner, "source.duration", "<= 15 min", "Publish a video of at most 15 minutes.")
	return []Code{
		row(10001, oauth(), ClassRetry, "OAuth system error", "系统错误", advice("The platform failed; the renewal is tried again later.")),
		row(10002, oauth(), ClassRequest, "a parameter is wrong", "参数错误", ours),
		row(10003, oauth(), ClassApp, "client_key unknown", "client_key 错误"),
		row(10004, both(), ClassApp, "the app lacks the permission or scope", "应用权限不足", capability),
		row(10005, oauth(), ClassRequest, "a parameter is missing", "缺少参数", ours),
		row(10006, oauth(), ClassApp, "redirect URI not registered", "非法重定向 URI"),
		row(10007, oauth(), ClassAuthorize, "authorization code expired or used", "授权码过期"),
		row(10008, both(), ClassToken, "access_token invalid or expired", "access_token 无效或过期"),
		row(10010, oauth(), ClassAuthorize, "refresh_token invalid or expired", "refresh_token 无效或过期"),
		row(10012, oauth(), ClassApp, "the app is in review", "应用审核中"),
		row(10013, oauth(), ClassApp, "client_key or client_secret wrong", "client_key 或 client_secret 错误"),
		row(10014, oauth(), ClassApp, "client_key differs from the one that the code was given to", "client_key 与授权时不一致"),
		row(10015, oauth(), ClassApp, "wrong type of app", "应用类型错误"),
		row(10020, oauth(), ClassAuthorize, "all renewals of the refresh_token are used up", "refresh_token 续期次数已用完"),

		row(2100004, api(), ClassRetry, "system busy", "系统繁忙，请稍候再试"),
		row(2100005, api(), ClassRequest, "parameter invalid", "参数不合法", invalid(fault.ActorOwner, "", "", parameter), deadSession),
		row(2100007, api(), ClassRequest, "no right to do this", "无权限操作", advice(barred)),
		row(2100009, api(), ClassRequest, "the user is barred from this", "用户被禁封使用该操作", advice(barred)),
		row(2190001, api(), ClassQuota, "quota used up", "quota 已用完", wait(time.Hour)),
		row(2190002, api(), ClassToken, "access_token invalid", "access_token 无效"),
		row(2190003, api(), ClassAuthorize, "the user has not authorized this API", "用户未授权该 API"),
		row(2190004, api(), ClassApp, "the app has not been granted the ability", "应用未获得该能力", capability),
		row(2190005, []Step{StepUpload, StepPart, StepCover}, ClassRequest, "too large for a single upload", "视频文件太大",
			invalid(fault.ActorOperator, "source.size", "within the one-request limit", "Lower the one-request limit of this target, so that the video goes in parts.")),
		row(2190006, writes(), ClassRequest, "longer than 15 minutes", "视频时长不能超过 15 分钟", long),
		row(2190007, []Step{StepCreate}, ClassRequest, "video_id invalid", "无效的视频文件 id", spent),
		row(2190008, api(), ClassToken, "access_token expired", "access_token 过期，请刷新或重新授权"),
		row(2190015, api(), ClassRequest, "open_id and access_token do not match", "access_token 与 open_id 不匹配", mismatch),
		row(2190016, api(), ClassApp, "the app is banned or offline", "应用被封禁或下线"),
		row(2111001, []Step{StepCreate}, ClassRequest, "a sensitive word", "含有敏感词",
			invalid(fault.ActorOwner, "title", "no sensitive words", "Change the title, description or tags, then retry.")),
		row(2114005, writes(), ClassRequest, "this user may not post", "用户被禁止投稿", advice(barred)),
		row(2114006, writes(), ClassRequest, "longer than 15 minutes", "视频时长不能超过 15 分钟", long),
		row(2114007, writes(), ClassQuota, "daily limit of posts reached (75 per user and app)", "当日投稿数量已达上限",
			func(c *Code) { c.WaitDay = true }, advice("It goes on by itself after midnight in China.")),

		row(28001003, api(), ClassToken, "access_token invalid", "access_token 无效"),
		row(28001005, api(), ClassRetry, "system busy", "系统内部错误，请重试"),
		row(28001006, api(), ClassRetry, "an inner network call failed", "网络调用错误，请重试"),
		row(28001007, api(), ClassRequest, "parameter invalid", "参数不合法", invalid(fault.ActorOwner, "", "", parameter), deadSession),
		row(28001008, api(), ClassToken, "access_token expired", "access_token 过期，请刷新或重新授权"),
		row(28001012, api(), ClassAuthorize, "the user has not authorized this API", "用户未授权该 API"),
		row(28001014, api(), ClassApp, "the app has no ability at all", "应用未授权任何能力", capability),
		row(28001015, api(), ClassRequest, "open_id and access_token do not match", "access_token 与 open_id 不匹配", mismatch),
		row(28001016, api(), ClassApp, "the app is banned or offline", "当前应用已被封禁或下线"),
		row(28001017, api(), ClassApp, "unknown URI: wrong path or generation", "未知的接口路径", advice("Check the target's generation (legacy or v1) and address.")),
		row(28001018, api(), ClassApp, "the app has not been granted this ability", "应用未获得该能力", capability),
		row(28001019, api(), ClassApp, "this ability of the app is banned", "应用该能力已被封禁", capability),
		row(28001020, api(), ClassApp, "the user is not bound to the test app", "用户未绑定测试应用"),
		row(28001021, api(), ClassApp, "the test app has expired", "测试应用已过期"),
		row(28001045, api(), ClassRequest, "the user closed the account", "用户已注销", advice(barred)),
		row(28001046, api(), ClassRequest, "the user is banned", "用户已被封禁", advice(barred)),
		row(28001047, api(), ClassRequest, "the user's account is private", "用户为私密账号", advice("The account owner has to make the account public in the Douyin app.")),
		row(28001052, api(), ClassQuota, "the calls look risky, slow down", "调用存在风险，请降低频率", wait(10*time.Minute)),
		row(28001056, api(), ClassApp, "this API is retired", "接口已下线", advice("Check the target's generation (legacy or v1).")),
		row(28003017, api(), ClassQuota, "quota used up", "quota 已用完", wait(time.Hour)),
		row(28003018, api(), ClassQuota, "too frequent", "请求过于频繁", wait(time.Minute)),
		row(29002002, both(), ClassApp, "client_key invalid", "client_key 无效"),
	}
}

func ours(c *Code) {
	c.Actor, c.Advice = fault.ActorOperator, "The platform did not understand the request; check the app key, then report this with its log id."
}
