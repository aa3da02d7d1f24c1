package oss

import (
	"errors"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
)

// What callers branch on; found with errors.Is. Each comes inside a *fault.Error.
var (
	// ErrCredential: the credential was refused (expired, removed, or not one credential). A new one cures it; uploads
	// and their parts stay. The kind is TokenExpired.
	ErrCredential = errors.New("the OSS credential was refused")
	// ErrDenied: the credential may not do this. The kind is Permanent; where a policy is part of a temporary credential,
	// a new one may help.
	ErrDenied = errors.New("OSS denies this to the credential")
	// ErrNoUpload: the multipart upload is unknown, completed or aborted.
	ErrNoUpload = errors.New("OSS knows no such multipart upload")
	// ErrNotFound: the object or the bucket does not exist.
	ErrNotFound = errors.New("the object does not exist in OSS")
	// ErrNoBucket: it is the bucket that does not exist; ErrNotFound is in the chain too.
	ErrNoBucket = errors.New("the bucket does not exist in OSS")
	// ErrChanged: the object's ETag is not the one that was asked for.
	ErrChanged = errors.New("the object in OSS was replaced")
	// ErrBeyondEnd: the range is not within the object.
	ErrBeyondEnd = errors.New("the range is beyond the end of the object in OSS")
	// ErrParts: Complete names parts that OSS does not have so. ListParts tells which it has.
	ErrParts = errors.New("OSS does not have the parts that were named")
	// ErrDamaged: what arrived is not what was sent (CRC64, MD5). A part is sent again; a whole object is made again.
	ErrDamaged = errors.New("what OSS stored is not what was sent")
)

// Code is one row of OSS's table of errors (reference d.4, and youku 8.5 for what to do).
type Code struct {
	Code      string
	Status    int // that it comes with
	Kind      fault.Kind
	Is        error        // one of this package's sentinels, or nil
	Effect    fault.Effect // of the refused call
	Actor     fault.Actor
	Advice    string // one sentence for people
	Meaning   string
	MeaningZH string
}

// Codes lists every known code in order of status and name. The slice is the caller's.
func Codes() []Code {
	rows := table()
	slices.SortStableFunc(rows, func(a, b Code) int {
		if a.Status != b.Status {
			return a.Status - b.Status
		}
		return strings.Compare(a.Code, b.Code)
	})
	return rows
}

func lookup(code string) (Code, bool) {
	for _, r := range table() {
		if r.Code == code {
			return r, true
		}
	}
	return Code{}, false
}

// Advice that many rows share.
const (
	goesOn   = "It is tried again."
	renewed  = "A new credential is asked for and the request sent again; parts stay."
	ours     = "OSS did not understand the request; report this with its request id."
	rights   = "Check the rights of the credential on this bucket and key."
	again    = "The bytes are sent again."
	anew     = "A new upload is opened."
	settings = "Check the target's settings."
)

// table is reference d.4, row by row.
func table() []Code {
	row := func(status int, code string, k fault.Kind, is error, a fault.Actor, advice, en, zh string) Code {
		c := Code{Code: code, Status: status, Kind: k, Is: is, Actor: a, Advice: advice, Meaning: en, MeaningZH: zh, Effect: fault.EffectNone}
		if status >= 500 || status < 400 || k == fault.Unknown {
			c.Effect = fault.EffectUnknown
		}
		return c
	}
	const us, op, owner, platform = fault.ActorUs, fault.ActorOperator, fault.ActorOwner, fault.ActorPlatform
	return []Code{
		row(203, "CallbackFailed", fault.Unknown, nil, op, "The object is stored; see why the callback did not answer.", "the object is stored, the callback failed", "对象已存储，回调失败"),

		row(400, "InvalidArgument", fault.Permanent, nil, us, ours, "an argument is wrong", "参数错误"),
		row(400, "InvalidPart", fault.Retryable, ErrParts, us, "The parts are listed, and what is missing is sent again.", "a part is missing or has another ETag", "分片不存在或 ETag 不匹配"),
		row(400, "InvalidPartOrder", fault.Retryable, ErrParts, us, "The parts are listed, and what is missing is sent again.", "the parts are not in ascending order", "分片列表未按升序排列"),
		row(400, "EntityTooSmall", fault.Permanent, nil, op, "The part size is below what OSS takes; raise it.", "a part is smaller than 100 KB", "分片小于 100 KB"),
		row(400, "EntityTooLarge", fault.Invalid, nil, op, "The part size is above what OSS takes; lower it.", "the body is larger than 5 GB", "请求体超过 5 GB"),
		row(400, "InvalidDigest", fault.Retryable, ErrDamaged, us, again, "the bytes have another MD5 than the header says", "Content-MD5 与内容不一致"),
		row(400, "InvalidCRC64", fault.Retryable, ErrDamaged, us, again, "the bytes have another CRC64 than the header says", "CRC64 与内容不一致"),
		row(400, "IncompleteBody", fault.Retryable, nil, us, again, "the body ended early", "请求体不完整"),
		row(400, "MalformedXML", fault.Permanent, nil, us, ours, "the XML is not well formed", "XML 格式错误"),
		row(400, "InvalidBucketName", fault.Invalid, nil, op, settings, "there can be no bucket of this name", "存储空间名称不合法"),
		row(400, "InvalidObjectName", fault.Invalid, nil, owner, "Give the object another name.", "there can be no object of this name", "对象名称不合法"),
		row(400, "NotImplemented", fault.Permanent, nil, us, ours, "OSS does not know this", "功能未实现"),
		row(400, "RequestTimeout", fault.Retryable, nil, us, goesOn, "the body came too slowly", "请求超时"),
		row(400, "InvalidEncryptionAlgorithmError", fault.Permanent, nil, op, "Check the bucket's encryption.", "the encryption is not known", "加密算法错误"),
		row(400, "MissingArgument", fault.Permanent, nil, us, ours, "an argument is missing", "缺少参数"),

		row(403, "AccessDenied", fault.Permanent, ErrDenied, op, rights, "the credential may not do this", "拒绝访问"),
		row(403, "InvalidAccessKeyId", fault.TokenExpired, ErrCredential, us, renewed, "the access key does not exist (any more)", "AccessKeyId 不存在"),
		row(403, "SignatureDoesNotMatch", fault.Permanent, nil, us, "The signature is wrong: check the key's secret, then report this with its request id.", "the signature is wrong", "签名不匹配"),
		row(403, "SecurityTokenExpired", fault.TokenExpired, ErrCredential, us, renewed, "the temporary credential has expired", "安全令牌已过期"),
		row(403, "InvalidSecurityToken", fault.TokenExpired, ErrCredential, us, renewed, "the security token is wrong", "安全令牌无效"),
		row(403, "AccessKeyIdAndSecurityTokenNotMatch", fault.TokenExpired, ErrCredential, us, renewed, "access key and security token are not of one credential", "AccessKeyId 与安全令牌不匹配"),
		row(403, "SecurityTokenNotSupported", fault.Permanent, ErrDenied, op, "This call takes no temporary credential; use a key pair.", "temporary credentials are not taken here", "不支持使用安全令牌"),
		row(403, "RequestTimeTooSkewed", fault.Permanent, nil, op, "Set this machine's clock.", "the request's time is more than 15 minutes off", "请求时间与服务器时间相差超过 15 分钟"),
		row(403, "InvalidObjectState", fault.Invalid, nil, owner, "Restore the object from the archive, then drop it again.", "the object is in the archive", "对象处于归档状态"),
		row(403, "SecondLevelDomainForbidden", fault.Permanent, nil, op, settings, "the bucket must be in the host name", "禁止使用二级域名访问"),
		row(403, "UserDisable", fault.Permanent, nil, op, "Settle the Alibaba Cloud account: it is disabled or in arrears.", "the cloud account is disabled", "账号已被停用"),

		row(404, "NoSuchBucket", fault.Invalid, ErrNoBucket, op, "Check the bucket's name and region.", "the bucket does not exist", "存储空间不存在"),
		row(404, "NoSuchKey", fault.Invalid, ErrNotFound, owner, "Put the object into the bucket again.", "the object does not exist", "对象不存在"),
		row(404, "NoSuchUpload", fault.Permanent, ErrNoUpload, us, anew, "the multipart upload is unknown, completed or aborted", "分片上传任务不存在"),

		row(405, "MethodNotAllowed", fault.Permanent, nil, us, ours, "the method is not allowed here", "方法不被允许"),
		row(409, "FileAlreadyExists", fault.Duplicate, nil, us, "The object is there already.", "the object exists and may not be overwritten", "对象已存在"),
		row(409, "PositionNotEqualToLength", fault.Permanent, nil, us, ours, "the position to append at is wrong", "追加位置与对象长度不一致"),
		row(409, "FileImmutable", fault.Permanent, ErrDenied, op, "The bucket's retention rule forbids this.", "the object may not be changed", "对象处于合规保留期"),
		row(411, "MissingContentLength", fault.Permanent, nil, us, ours, "the length is missing", "缺少 Content-Length"),
		row(412, "PreconditionFailed", fault.Invalid, ErrChanged, owner, "Nothing: the new object is a publication of its own.", "the object is not the one that was asked for", "前提条件不满足"),
		row(416, "InvalidRange", fault.Invalid, ErrBeyondEnd, us, ours, "the range is not within the object", "范围不合法"),

		row(500, "InternalError", fault.Retryable, nil, platform, goesOn, "OSS failed inside", "OSS 内部错误"),
		row(503, "ServiceUnavailable", fault.Retryable, nil, platform, goesOn, "OSS is not available", "服务不可用"),
		row(503, "UploadTrafficRateLimitExceeded", fault.Retryable, nil, platform, goesOn, "uploads are being throttled", "上传流量超出限制"),
		row(503, "DownloadTrafficRateLimitExceeded", fault.Retryable, nil, platform, goesOn, "downloads are being throttled", "下载流量超出限制"),
		row(503, "MetaOperationQpsLimitExceeded", fault.Retryable, nil, platform, goesOn, "requests are being throttled", "元数据操作超出频率限制"),
		row(503, "TotalQpsLimitExceeded", fault.Retryable, nil, platform, goesOn, "requests are being throttled", "请求总数超出频率限制"),
	}
}

// throttled tells the codes that ask to slow down.
func throttled(code string) bool { return strings.HasSuffix(code, "LimitExceeded") }
