package oss

import (
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// code is one row of ref. d.4.
type code struct {
	status  int
	message string
}

// codes is the whole table of ref. d.4, but for CallbackFailed: callbacks are not simulated; and AccessForbidden, which
// pages of other origins get.
func codes() map[string]code {
	return map[string]code{
		"InvalidArgument":                     {400, "Invalid Argument."},
		"InvalidPart":                         {400, "One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag."},
		"InvalidPartOrder":                    {400, "The list of parts was not in ascending order. Parts list must specified in order by part number."},
		"EntityTooSmall":                      {400, "Your proposed upload smaller than the minimum allowed size."},
		"EntityTooLarge":                      {400, "Your proposed upload exceeds the maximum allowed size."},
		"InvalidDigest":                       {400, "The Content-MD5 you specified was invalid."},
		"InvalidCRC64":                        {400, "The CRC64 you specified does not match what was received."},
		"IncompleteBody":                      {400, "The request body terminated unexpectedly."},
		"MalformedXML":                        {400, "The XML you provided was not well-formed or did not validate against our published schema."},
		"InvalidBucketName":                   {400, "The specified bucket is not valid."},
		"InvalidObjectName":                   {400, "The specified object is not valid."},
		"NotImplemented":                      {400, "A header or query you provided implies functionality that is not implemented."},
		"RequestTimeout":                      {400, "Your socket connection to the server was not read from or written to within the timeout period."},
		"InvalidEncryptionAlgorithmError":     {400, "The Encryption Algorithm you specified is not valid."},
		"MissingArgument":                     {400, "Missing Some Required Arguments."},
		"AccessDenied":                        {403, "You have no right to access this object because of bucket acl."},
		"InvalidAccessKeyId":                  {403, "The OSS Access Key Id you provided does not exist in our records."},
		"AccessForbidden":                     {403, "CORSResponse: This CORS request is not allowed."},
		"SignatureDoesNotMatch":               {403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
		"SecurityTokenExpired":                {403, "The security token you provided has expired."},
		"InvalidSecurityToken":                {403, "The security token you provided is invalid."},
		"AccessKeyIdAndSecurityTokenNotMatch": {403, "The access key id and security token you provided do not match."},
		"SecurityTokenNotSupported":           {403, "The bucket does not support security token."},
		"RequestTimeTooSkewed":                {403, "The difference between the request time and the current time is too large."},
		"InvalidObjectState":                  {403, "The operation is not valid for the object's state."},
		"SecondLevelDomainForbidden":          {403, "Please use virtual hosted style to access."},
		"UserDisable":                         {403, "UserDisable"},
		"NoSuchBucket":                        {404, "The specified bucket does not exist."},
		"NoSuchKey":                           {404, "The specified key does not exist."},
		"NoSuchUpload":                        {404, "The specified upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed."},
		"MethodNotAllowed":                    {405, "The specified method is not allowed against this resource."},
		"FileAlreadyExists":                   {409, "The object you specified already exists and can not be overwritten."},
		"PositionNotEqualToLength":            {409, "Position is not equal to file length."},
		"FileImmutable":                       {409, "The object you specified is immutable."},
		"MissingContentLength":                {411, "You must provide the Content-Length HTTP header."},
		"PreconditionFailed":                  {412, "At least one of the pre-conditions you specified did not hold."},
		"InvalidRange":                        {416, "The requested range cannot be satisfied."},
		"InternalError":                       {500, "We encountered an internal error. Please try again."},
		"ServiceUnavailable":                  {503, "The request has failed due to a temporary failure of the server."},
		"UploadTrafficRateLimitExceeded":      {503, "Upload traffic exceeds the limit."},
		"DownloadTrafficRateLimitExceeded":    {503, "Download traffic exceeds the limit."},
		"MetaOperationQpsLimitExceeded":       {503, "Meta operation QPS exceeds the limit."},
		"TotalQpsLimitExceeded":               {503, "Total QPS exceeds the limit."},
	}
}

// ErrorCodes are the platform's codes, sorted; a fault may name any of them.
func ErrorCodes() []string { return slices.Sorted(maps.Keys(codes())) }

// failure is a refusal. Message replaces the code's own; more are the elements after HostId.
type failure struct {
	code    string
	status  int // 0: the code's own
	message string
	ec      string
	more    []field
}

type field struct{ name, value string }

func fail(name string, message ...string) *failure {
	return &failure{code: name, message: strings.Join(message, " ")}
}

func (f *failure) with(name, value string) *failure {
	f.more = append(f.more, field{name, value})
	return f
}

// errorXML is the body of a refusal (ref. d.4).
type errorXML struct {
	XMLName   xml.Name  `xml:"Error"`
	Code      string    `xml:"Code"`
	Message   string    `xml:"Message"`
	RequestID string    `xml:"RequestId"`
	HostID    string    `xml:"HostId"`
	EC        string    `xml:"EC,omitempty"`
	More      []element `xml:",any"`
}

type element struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
}

// result is what an operation answers: a failure, or a status with headers and one of body (small) or stream.
type result struct {
	status int
	header http.Header
	body   []byte
	stream *stream
	fail   *failure
	abort  bool // no answer: the client's body never came whole, or the disk failed under an answer
}

func refused(f *failure) result { return result{fail: f} }

// answer turns a result into what the panel sends, with the headers that every answer has.
func (s *Server) answer(r *http.Request, requestID string, res result, w *streamWriter) fake.Answer {
	a := fake.Answer{Status: res.status, Header: res.header, Body: res.body, Abort: res.abort}
	if a.Header == nil {
		a.Header = http.Header{}
	}
	if res.fail != nil {
		s.writeFailure(r, requestID, res.fail, &a)
	}
	if res.stream != nil {
		w.arm(res.stream, &a)
	}
	s.allow(r, a.Header)
	a.Header.Set("Server", "AliyunOSS")
	a.Header.Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	a.Header["x-oss-request-id"] = []string{requestID} // lower case on the wire, as the platform sends it
	a.Header["x-oss-server-time"] = []string{"1"}
	return a
}

func (s *Server) writeFailure(r *http.Request, requestID string, f *failure, a *fake.Answer) {
	row := codes()[f.code]
	e := errorXML{Code: f.code, Message: f.message, RequestID: requestID, HostID: r.Host, EC: f.ec}
	if e.Message == "" {
		e.Message = row.message
	}
	for _, m := range f.more {
		e.More = append(e.More, element{XMLName: xml.Name{Local: m.name}, Text: m.value})
	}
	if a.Status = f.status; a.Status == 0 {
		a.Status = row.status
	}
	if a.Status == http.StatusNotModified {
		return // a fact, not an error: no body
	}
	a.Body = marshal(e)
	a.Header.Set("Content-Type", "application/xml")
	if f.ec != "" {
		a.Header["x-oss-ec"] = []string{f.ec}
	}
	if r.Method == http.MethodHead { // ref. d.1: errors without body
		a.Header["x-oss-err"] = []string{base64.StdEncoding.EncodeToString(a.Body)}
		a.Body = nil
	}
}

// marshal writes XML the way the platform does; only a type that cannot be encoded fails, a mistake in this package.
func marshal(v any) []byte {
	b, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return append([]byte(xml.Header), append(b, '\n')...)
}

func xmlResult(v any) result {
	return result{status: http.StatusOK, header: http.Header{"Content-Type": {"application/xml"}}, body: marshal(v)}
}
