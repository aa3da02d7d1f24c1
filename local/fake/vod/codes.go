package vod

import (
	"maps"
	"slices"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// codes are the platform's refusals (ref. a.3). Those marked * are assumed: no source names them.
func codes() map[string]rpc.Error {
	out := map[string]rpc.Error{}
	for _, e := range []rpc.Error{
		{Status: 400, Code: "MissingParameter", Message: "The input parameter that is mandatory for processing this request is not supplied."},
		{Status: 400, Code: "InvalidParameter", Message: "The specified parameter is not valid."},
		{Status: 400, Code: "Throttling.User", Message: "Request was denied due to user flow control."},
		{Status: 400, Code: "InvalidFileName.Extension", Message: "The specified FileName's extension is illegal."},
		{Status: 400, Code: "IllegalCharacters", Message: "The specified parameter contains illegal emoji or special characters."},
		{Status: 400, Code: "LengthExceededMax", Message: "The specified parameter length has exceeded the maximum in bytes."},
		{Status: 400, Code: "TagsExceededMax", Message: "The specified Tags count has exceeded 16."},
		{Status: 400, Code: "InvalidVideo.Damaged", Message: "The video has been damaged."},
		{Status: 400, Code: "VideoIdsExceededMax", Message: "The VideoIds exceeded maximum."},
		{Status: 400, Code: "VideoListExceededMax", Message: "The video list exceeded maximum."},
		{Status: 400, Code: "ErrorMatchSyntax", Message: "The Match parameter syntax is error."},
		{Status: 400, Code: "SortByExceededMax", Message: "The SortBy parameter exceeded the maximum."},
		{Status: 400, Code: "InvalidScrollToken.Expired", Message: "The ScrollToken is expired."},
		{Status: 403, Code: "OperationDenied", Message: "Your account does not open VOD service yet."},
		{Status: 403, Code: "OperationDenied.Suspended", Message: "Your VOD service is suspended."},
		{Status: 403, Code: "Forbidden", Message: "User not authorized to operate on the specified resource."},
		{Status: 403, Code: "Forbidden.InitFailed", Message: "Initialization of your account has failed while opening service."},
		{Status: 403, Code: "Forbidden.IllegalStatus", Message: "Status of the video is illegal."},
		{Status: 404, Code: "InvalidVideo.NotFound", Message: "The video does not exist."},
		{Status: 404, Code: "InvalidFile.NotFound", Message: "The mezzanine file does not exist."},
		{Status: 404, Code: "InvalidVideo.NoneStream", Message: "The video has no stream that matches."}, // *
		{Status: 404, Code: "InvalidMedia.NotFound", Message: "The media does not exist."},               // *
		{Status: 404, Code: "InvalidJob.NotFound", Message: "The job does not exist."},                   // *
		{Status: 404, Code: "InvalidMessageCallback.NotFound", Message: "No message callback is set."},   // *
		{Status: 404, Code: "InvalidTemplateGroupId.NotFound", Message: "The TemplateGroupId does not exist."},
		{Status: 404, Code: "InvalidStorage.NotFound", Message: "The StorageLocation does not exist."},
		{Status: 500, Code: "InternalError", Message: "The request processing has failed due to some unknown error."},
		{Status: 503, Code: "ServiceUnAvailable", Message: "The request has failed due to a temporary failure of the server."},
		{Status: 503, Code: "AddVideoFailed", Message: "Failed to add the video. Please try again later."},
		{Status: 503, Code: "DeleteVideoFailed", Message: "Failed to delete the video. Please try again later."},
	} {
		out[e.Code] = e
	}
	return out
}

// ErrorCodes are the codes that a fault may name.
func ErrorCodes() []string { return slices.Sorted(maps.Keys(codes())) }

// fail refuses with a code; a detail is added to its text.
func fail(code string, detail ...string) *rpc.Error {
	e := codes()[code]
	for _, d := range detail {
		e.Message += " " + d
	}
	return &e
}

// invalid refuses the value of one parameter.
func invalid(name string) *rpc.Error { return fail("InvalidParameter", "("+name+")") }

// illegalStatus refuses what a video's state does not permit. Its code is documented with 403 for playing and with 400
// for jobs.
func illegalStatus(v *video, status int) *rpc.Error {
	return &rpc.Error{Status: status, Code: "Forbidden.IllegalStatus",
		Message: "Currently Video Status is " + string(v.Status) + " and AuditStatus is " + v.AuditStatus + "."}
}

// missing names a parameter that is not there.
func (s *Server) missing(name string) *rpc.Error {
	if s.o.Readings.Missing == "named" {
		return &rpc.Error{Status: 400, Code: "Missing" + name, Message: name + " is mandatory for this action."}
	}
	return &rpc.Error{Status: 400, Code: "MissingParameter",
		Message: "The input parameter " + name + " that is mandatory for processing this request is not supplied."}
}

func (s *Server) named(e *rpc.Error) *rpc.Error {
	if name := s.o.Codes[e.Code]; name != "" {
		e.Code = name
	}
	return e
}
