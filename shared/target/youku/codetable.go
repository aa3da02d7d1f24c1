package youku

import (
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// row starts from what the class implies.
func row(code int64, class Class, meaning, zh string, more ...func(*Code)) Code {
	c := Code{Code: code, Class: class, Meaning: meaning, MeaningZH: zh, Effect: fault.EffectNone}
	switch class {
	case ClassRetry:
		c.Kind, c.Effect, c.Actor, c.Action = fault.Retryable, fault.EffectUnknown, fault.ActorPlatform, ActRetry
		c.Advice = "The platform failed; it is tried again. After a commit the video is looked at first."
	case ClassRefresh:
		c.Kind, c.AssetKept, c.Actor, c.Action = fault.TokenExpired, true, fault.ActorUs, ActRetry
		c.Advice = "The token is refreshed and the call repeated; if the fresh one is refused too, log in again."
	case ClassRelogin:
		c.Kind, c.AssetKept, c.Actor, c.Action = fault.CredentialsExpired, true, fault.ActorOwner, ActLogin
		c.Advice = "Log in to Youku again."
	case ClassConfig:
		c.Kind, c.AssetKept, c.Actor, c.Action = fault.Permanent, true, fault.ActorOperator, ActNever
		c.Advice = "Look at the app in Youku's console and at its key here; pause the target until it is mended, then retry."
	case ClassUser:
		c.Kind, c.Actor, c.Action = fault.Invalid, fault.ActorOwner, ActEdit
	case ClassRecreate:
		c.Kind, c.Recreate, c.Actor, c.Action = fault.Retryable, true, fault.ActorUs, ActRetry
		c.Advice = "The upload begins again at create."
	case ClassDuplicate:
		c.Kind, c.Actor, c.Action = fault.Duplicate, fault.ActorOwner, ActNever
	case ClassPermanent, ClassLegacy:
		c.Kind, c.Actor, c.Action = fault.Permanent, fault.ActorOperator, ActNever
		c.Advice = "The platform did not understand the request; report this with its code."
	}
	for _, f := range more {
		f(&c)
	}
	return c
}

// What single rows add.
func also(code int64) func(*Code) { return func(c *Code) { c.Spellings = append(c.Spellings, code) } }
func advice(s string) func(*Code) { return func(c *Code) { c.Advice = s } }
func actor(a fault.Actor, act Action) func(*Code) {
	return func(c *Code) { c.Actor, c.Action = a, act }
}

// door: refused before anything was done, until some time has passed.
func door(wait time.Duration, s string) func(*Code) {
	return func(c *Code) {
		c.Effect, c.AssetKept, c.Quota, c.Wait, c.Actor, c.Action, c.Advice = fault.EffectNone, true, true, wait, fault.ActorUs, ActWait, s
	}
}
func pause(d time.Duration) func(*Code) { return func(c *Code) { c.Wait = d } }
func maybe(c *Code)                     { c.Maybe = true }
func edit(field, rule, s string) func(*Code) {
	return func(c *Code) { c.Field, c.Rule, c.Advice = field, rule, s }
}

// table is reference section 8, row by row. Chinese texts are the platform's where its page has them.
func table() []Code {
	const (
		title = "Change the title, then retry."
		tags  = "Change the tags, then retry."
		text  = "Change the description, then retry."
		ip    = "It goes on by itself; if it stays so, ask Youku to lift the limit on this address."
		rere  = "The file is read again, its MD5 taken anew, and the upload begins again at create."
		video = "See whether the file plays; it is uploaded again from the start."
	)
	rows := []Code{
		row(1001, ClassRetry, "service temporarily unavailable", "服务暂时不可用"),
		row(1002, ClassRetry, "service exception", "服务异常"),
		row(1003, ClassRetry, "access from this address is limited", "该 IP 访问受限", door(time.Minute, ip)),
		row(1004, ClassConfig, "client id missing", "client_id 为空"),
		row(1005, ClassConfig, "client id invalid", "无效的 client_id"),
		row(1006, ClassConfig, "permission denied, a higher level is needed", "权限不足，需要更高级别"),
		row(1007, ClassRefresh, "access token missing", "空的access_token"),
		row(1008, ClassRefresh, "access token invalid", "无效的access_token"),
		row(1009, ClassRefresh, "access token expired", "过期的access_token，需要refresh_token"),
		row(1010, ClassPermanent, "POST required", "必须使用 POST 请求"),
		row(1011, ClassPermanent, "data format not supported", "不支持的数据格式"),
		row(1012, ClassPermanent, "a required parameter is missing", "缺少必要参数"),
		row(1013, ClassUser, "a parameter is invalid", "无效的参数", edit("", "", "The platform refused a parameter; compare the manifest with its description, then retry.")),

		row(120010001, ClassRetry, "unknown error", "未知错误"),
		row(120010004, ClassRefresh, "not authenticated", "未认证"),
		row(120010005, ClassRecreate, "upload token invalid", "无效的 upload_token"),
		row(120010101, ClassUser, "the title is empty", "视频标题不能为空", edit("title", "not empty", title)),
		row(120010102, ClassUser, "the title is longer than 60 characters", "视频标题最多只能填写60个字符", edit("title", fmt.Sprintf("<= %d characters", maxTitle), title)),
		row(120010104, ClassUser, "the title has banned content", "视频标题包含网站禁止内容，请您更换其他标题", edit("title", "no banned content", title)),
		row(120010105, ClassUser, "the title has forbidden words", "视频标题含有禁用词", edit("title", "no forbidden words", title)),
		row(120010106, ClassUser, "the tags have forbidden words", "视频标签含有禁用词", edit("tags", "no forbidden words", tags)),
		row(120010108, ClassUser, "the description has forbidden words", "视频描述含有禁用词", edit("description", "no forbidden words", text)),
		row(120010111, ClassDuplicate, "the same user uploaded the same file before", "重复上传",
			advice("Youku has this file of this account already; find it on the account's own page. Never change the bytes to get around it.")),
		row(120010113, ClassUser, "the file is too large", "文件超过大小限制", edit("source.size", "within the platform's limit", "Publish a smaller file.")),
		row(120010121, ClassUser, "there are no tags", "标签不能为空", edit("tags", "1 to 10 tags", tags)),
		row(120010122, ClassUser, "more than 10 tags", "您定义的标签个数超过了10个，请减少标签个数", edit("tags", "1 to 10 tags", tags)),
		row(120010123, ClassUser, "the tags have sensitive words", "标签中含有敏感字符", also(102210123), edit("tags", "no sensitive words", tags)),
		row(120010124, ClassUser, "a tag is shorter than 2 characters", "单个标签最少2个字符", edit("tags", ">= 2 characters each", tags)),
		row(120010125, ClassUser, "a tag is longer than 12 characters", "单个标签最多12个字符", edit("tags", "<= 12 characters each", tags+" The setting tag_max must be 12 then.")),
		row(120010141, ClassUser, "the description has banned content", "视频描述信息中包含敏感字符，请检查修改并重新提交", edit("description", "no banned content", text)),
		row(120010142, ClassUser, "the description is too long", "描述信息最多能填写200个字符", edit("description", "<= 200 characters", text+" The setting description_max must be 200 then.")),
		row(120010145, ClassUser, "the watch password is not of letters and digits, or longer than 32", "观看密码必须字母数字组成，最多32位", edit("youku.watch_password_name", "1 to 32 letters and digits", "Set another watch password, then retry.")),
		row(120010151, ClassRecreate, "upload task invalid", "无效的上传任务", maybe),
		row(120010152, ClassRetry, "storing the metadata failed", "视频metainfo插入错误"),
	}
	rows = append(rows, []Code{
		row(120010205, ClassRecreate, "upload session id invalid", "无效的上传会话"),
		row(120010206, ClassRecreate, "upload session expired", "上传会话已过期"),
		row(120010207, ClassLegacy, "slice task id invalid", "无效的分片任务"),
		row(120010208, ClassLegacy, "slice task expired", "分片任务已过期"),
		row(120010210, ClassRetry, "too many upload tasks", "上传任务数达到上限", door(time.Minute, "It goes on by itself when other uploads are done.")),
		row(120010211, ClassRetry, "inner error: database", "内部错误：数据库"),
		row(120010212, ClassRetry, "inner error: memory", "内部错误：内存"),
		row(120010213, ClassRetry, "inner error: disk", "内部错误：磁盘"),
		row(120010215, ClassRetry, "too many connections", "连接数过多", door(10*time.Second, "It goes on by itself; lower in_flight of this target if it stays so.")),
		row(120010216, ClassRecreate, "upload token used twice", "重复的 upload_token", maybe),
		row(120010217, ClassPermanent, "inner error: output line too long", "内部错误：输出行过长", actor(fault.ActorPlatform, ActNever), advice("Give the code to the platform's support.")),
		row(120010218, ClassRecreate, "CRC check failed", "CRC 校验错误", advice(rere)),
		row(120010219, ClassRetry, "resource unavailable", "资源不可用"),
		row(120010220, ClassRetry, "operation pending", "操作处理中", pause(10*time.Second)),
		row(120010221, ClassDuplicate, "operation done before", "重复操作", maybe, actor(fault.ActorUs, ActRetry), advice("The video is looked at: the operation may have been done before.")),
		row(120010222, ClassRetry, "upload server: fatal error", "上传服务器错误：致命错误"),
		row(120010223, ClassRecreate, "upload token expired", "upload_token 已过期"),
		row(120010224, ClassPermanent, "bad request", "错误的请求"),
		row(12001010225, ClassRecreate, "hash check failed", "哈希校验错误", also(120010225), advice(rere)),
		row(120010301, ClassRecreate, "upload server: the file is damaged", "上传服务器错误：文件损坏", advice(video)),
		row(codeNoVideo, ClassPermanent, "the video does not exist", "视频不存在", maybe, actor(fault.ActorOperator, ActNever), advice("Just after a commit it is asked again; later, look at the account's own page.")),

		row(130011201, ClassConfig, "an OAuth parameter is missing", "缺少 OAuth 参数"),
		row(130011202, ClassConfig, "grant type not supported", "不支持的授权方式"),
		row(130011203, ClassPermanent, "the authorisation server does not take this HTTP method", "授权服务器不支持的HTTP请求方式"),
		row(130011204, ClassRetry, "unknown error of the authorisation server", "未知的授权服务器异常"),
		row(130011205, ClassConfig, "the client may not use this grant", "未授权此用户使用这种授权方式"),
		row(130011206, ClassConfig, "access denied", "访问没有权限"),
		row(130011207, ClassRelogin, "grant or refresh token invalid, expired or removed, or redirect_uri differs", "无效，过期或者被删除，或redirect_uri与服务端不匹配"),
		row(130011208, ClassConfig, "client_id differs, or user name and password do not match", "client_id与服务器的不匹配或username/password不匹配"),
		row(130011209, ClassConfig, "scope invalid", "请求的scope无效"),
	}...)
	return rows
}
