package vod

import (
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Advice that many rows share.
const (
	goesOn = "It is tried again."
	waits  = "It goes on by itself when the platform has time."
	ours   = "The platform did not understand the request; report this with its request id."
	rights = "Give the RAM user or role the right to this operation (policy AliyunVODFullAccess, or narrower)."
	keyed  = "Log in again with an active key; of a role's session, a new one is asked for."
)

// row starts from what the kind implies.
func row(status int, code string, k fault.Kind, meaning, zh string, more ...func(*Code)) Code {
	c := Code{Code: code, Status: status, Kind: k, Meaning: meaning, MeaningZH: zh, Effect: fault.EffectNone}
	switch k {
	case fault.Retryable:
		c.Actor, c.Action, c.Advice = fault.ActorPlatform, ActRetry, goesOn
		if status >= 500 {
			c.Effect = fault.EffectUnknown
		}
	case fault.Invalid:
		c.Actor, c.Action = fault.ActorOwner, ActEdit
	case fault.CredentialsExpired:
		c.Actor, c.Action = fault.ActorOwner, ActLogin
	default:
		c.Actor, c.Action, c.Advice = fault.ActorOperator, ActNever, ours
	}
	for _, f := range more {
		f(&c)
	}
	return c
}

// What single rows add.
func at(steps ...Step) func(*Code) { return func(c *Code) { c.At = steps } }
func is(err error) func(*Code)     { return func(c *Code) { c.Is = err } }
func advice(s string) func(*Code)  { return func(c *Code) { c.Advice = s } }
func never(a fault.Actor, s string) func(*Code) {
	return func(c *Code) { c.Actor, c.Action, c.Advice = a, ActNever, s }
}
func edit(field, rule, s string) func(*Code) {
	return func(c *Code) { c.Field, c.Rule, c.Advice = field, rule, s }
}
func quota(d time.Duration) func(*Code) {
	return func(c *Code) {
		c.Quota, c.Wait, c.Actor, c.Action, c.Advice = true, d, fault.ActorUs, ActWait, waits
	}
}
func refused(c *Code) { c.Effect = fault.EffectNone } // although it comes with 5xx

// key is a refusal of the key that signed.
func key(c *Code) {
	c.Key, c.Kind, c.Actor, c.Action, c.Advice = true, fault.CredentialsExpired, fault.ActorOwner, ActLogin, keyed
}

// table is reference a.3 and a.5, row by row, and after them the codes of the gateway that all of Alibaba Cloud's
// OpenAPI shares; the reference does not list those, so what they mean for VOD is assumed.
func table() []Code {
	const (
		retry, invalid, permanent, login = fault.Retryable, fault.Invalid, fault.Permanent, fault.CredentialsExpired
		operator, owner, platform        = fault.ActorOperator, fault.ActorOwner, fault.ActorPlatform
		video                            = "The video is gone at the platform; publish it again under a label (again) if it is still wanted."
	)
	return append([]Code{
		row(400, "MissingParameter", permanent, "a required parameter is missing", "缺少必填参数"),
		row(400, "InvalidParameter", invalid, "a parameter is invalid", "参数不合法", edit("", "", "The platform refused a parameter; compare the manifest with its description, then retry.")),
		row(400, "Throttling.User", retry, "too many requests of this account", "用户请求过于频繁", quota(time.Second)),
		row(400, "InvalidFileName.Extension", invalid, "the file's extension is not supported", "文件扩展名不支持", at(StepCreateVideo), edit("source.file_name", "an extension that VOD takes", "Name the file by its true format.")),
		row(400, "IllegalCharacters", invalid, "a text has characters that are not allowed (emoji)", "包含非法字符（如表情符号）", at(StepCreateVideo, StepCreateImage, StepUpdate), edit("title", "no emoji", "Take emoji out of title, description and tags, then retry.")),
		row(400, "LengthExceededMax", invalid, "a text is too long", "参数长度超过限制", at(StepCreateVideo, StepCreateImage, StepUpdate), edit("title", "title <= 128 bytes, description <= 1024", "Shorten title or description, then retry.")),
		row(400, "TagsExceededMax", invalid, "there are too many tags, or one is too long", "标签数量或长度超过限制", at(StepCreateVideo, StepCreateImage, StepUpdate), edit("tags", "<= 16 tags of <= 32 bytes", "Take tags away, then retry.")),
		row(400, "InvalidVideo.Damaged", permanent, "the video's record is damaged", "视频已损坏", at(StepRefreshVideo), never(fault.ActorUs, "A new session is opened and the file sent again.")),
		row(400, "VideoListExceededMax", permanent, "only the first 5000 videos can be listed", "视频列表超过最大限制", at(StepList), never(fault.ActorUs, "The list is asked for in shorter spans of time.")),
		row(400, "VideoIdsExceededMax", permanent, "more than 20 ids", "视频 ID 数量超过 20", at(StepDelete)),

		row(403, "OperationDenied", permanent, "the account may not do this: VOD is not opened, or stopped", "操作被拒绝，未开通或已停止服务", never(operator, "Open VOD in Alibaba Cloud's console; see whether the account is in arrears.")),
		row(403, "OperationDenied.Suspended", permanent, "the account's VOD is suspended", "点播服务已欠费停用", never(operator, "Settle what the Alibaba Cloud account owes, then retry.")),
		row(403, "Forbidden", permanent, "the key has no right to this operation", "无权限执行该操作", never(operator, rights)),
		row(403, "Forbidden.InitFailed", permanent, "the account's VOD could not be set up", "账号点播服务初始化失败", at(StepCreateVideo), never(operator, "Open VOD in Alibaba Cloud's console and set up its storage; then retry.")),
		row(403, "Forbidden.IllegalStatus", retry, "the video's status does not allow playing", "视频状态不允许播放", at(StepPlayAuth, StepPlayInfo), is(ErrNotPlayable), advice("It is asked again when the platform has processed the video."), func(c *Code) { c.Wait = 30 * time.Second }),

		row(404, "InvalidVideo.NotFound", permanent, "the video does not exist", "视频不存在", is(ErrNotFound), never(owner, video)),
		row(404, "InvalidFile.NotFound", permanent, "the video's file does not exist", "视频文件不存在", is(ErrNotPlayable), never(owner, video)),
		row(404, "InvalidTemplateGroupId.NotFound", invalid, "the transcoding template group does not exist", "转码模板组不存在", at(StepCreateVideo, StepTranscode), edit("alivod.template_group_id", "an existing template group", "Name a template group that exists in VOD's console, then retry.")),
		row(404, "InvalidStorage.NotFound", invalid, "the storage location does not exist", "存储地址不存在", at(StepCreateVideo), edit("alivod.storage_location", "an existing storage location", "Name a storage location that exists in VOD's console, then retry.")),

		// Assumed: the reference does not name these four.
		row(404, "InvalidVideo.NoneStream", retry, "the video has no stream to play (yet)", "视频没有可播放的流", at(StepPlayAuth, StepPlayInfo), is(ErrNotPlayable), advice("It is asked again when the platform has processed the video."), func(c *Code) { c.Wait = 30 * time.Second }),
		row(404, "InvalidMedia.NotFound", permanent, "the media file does not exist", "媒资不存在", at(StepAudit), is(ErrNotFound), never(owner, video)),
		row(404, "InvalidJob.NotFound", permanent, "the job does not exist", "任务不存在", at(StepAuditJob), is(ErrNotFound), never(fault.ActorUs, "Nothing: what named this job is not believed.")),
		row(404, "InvalidMessageCallback.NotFound", permanent, "no message callback is set", "未设置事件通知", at(StepGetCallback, StepDropCallback), is(ErrNotFound), never(operator, "Set the address of callbacks in VOD's console, or by vodlift.")),

		row(500, "InternalError", retry, "the platform failed inside", "服务内部错误"),
		row(503, "ServiceUnAvailable", retry, "the platform is not available", "服务不可用"),
		row(503, "AddVideoFailed", retry, "the video could not be added", "添加视频失败", at(StepCreateVideo), refused),
		row(503, "DeleteVideoFailed", retry, "the video could not be deleted", "删除视频失败", at(StepDelete)),

		row(400, "InvalidParameter.RoleArn", login, "the role's ARN is wrong", "角色 ARN 不合法", at(StepAssumeRole), advice("Log in again with the right role_arn.")),
		row(400, "InvalidParameter.RoleSessionName", login, "the name of the role's session is wrong", "角色会话名称不合法", at(StepAssumeRole), advice("Log in again with another session_name.")),
		row(400, "InvalidParameter.DurationSeconds", login, "the role's session may not last so long", "会话有效期不合法", at(StepAssumeRole), advice("Log in again with fewer duration_seconds, or raise the role's limit.")),
		row(400, "InvalidParameter.PolicyGrammar", permanent, "the policy cannot be read", "权限策略语法错误", at(StepAssumeRole)),
		row(400, "InvalidParameter.PolicySize", permanent, "the policy is too long", "权限策略过长", at(StepAssumeRole)),
		row(403, "NoPermission", permanent, "the key may not assume this role", "无权扮演该角色", at(StepAssumeRole), never(operator, "Let the role trust the key's RAM user, and give that user sts:AssumeRole.")),
		row(404, "EntityNotExist.Role", login, "the role does not exist", "角色不存在", at(StepAssumeRole), advice("Log in again with a role that exists.")),
	}, gateway()...)
}

// gateway is what the shared gateway answers, whatever the product.
func gateway() []Code {
	const clock = "Set this machine's clock."
	return []Code{
		row(400, "Throttling", fault.Retryable, "too many requests", "请求被流控", quota(time.Second)),
		row(400, "Throttling.Api", fault.Retryable, "too many requests to this operation", "接口请求被流控", quota(time.Second)),
		row(400, "SignatureDoesNotMatch", fault.CredentialsExpired, "the signature is wrong: the key's secret is another", "签名不匹配", key),
		row(400, "IncompleteSignature", fault.Permanent, "the signature is incomplete", "签名不完整"),
		row(400, "SignatureNonceUsed", fault.Retryable, "the request's number was used before", "随机数已被使用", func(c *Code) { c.Actor = fault.ActorUs }),
		row(400, "InvalidTimeStamp.Expired", fault.Permanent, "the request's time is too far off", "时间戳已过期", never(fault.ActorOperator, clock)),
		row(400, "InvalidTimeStamp.Format", fault.Permanent, "the request's time cannot be read", "时间戳格式错误"),
		row(400, "InvalidSecurityToken.Expired", fault.CredentialsExpired, "the role's session has ended", "安全令牌已过期", key),
		row(400, "InvalidSecurityToken.Malformed", fault.CredentialsExpired, "the security token cannot be read", "安全令牌格式错误", key),
		row(400, "InvalidSecurityToken.MismatchWithAccessKey", fault.CredentialsExpired, "security token and key are not of one credential", "安全令牌与 AccessKey 不匹配", key),
		row(400, "MissingSecurityToken", fault.CredentialsExpired, "a temporary key came without its token", "缺少安全令牌", key),
		row(403, "InvalidAccessKeyId.Inactive", fault.CredentialsExpired, "the access key is disabled", "AccessKey 已禁用", key),
		row(404, "InvalidAccessKeyId.NotFound", fault.CredentialsExpired, "the access key does not exist", "AccessKey 不存在", key),
		row(403, "Forbidden.RAM", fault.Permanent, "the RAM user or role has no right to this operation", "RAM 用户或角色无权限", never(fault.ActorOperator, rights)),
	}
}
