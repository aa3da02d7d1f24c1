package cloudtest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// json answers a call of the JSON protocols, named by its target header.
func (a *AWS) json(w http.ResponseWriter, r *http.Request, service string, here bool, body []byte) {
	prefix := map[string]string{"servicequotas": "ServiceQuotasV20190624", "events": "AWSEvents", "dynamodb": "DynamoDB_20120810", "kms": "TrentService", "states": "AWSStepFunctions"}[service]
	op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), prefix+".")
	if !ok || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.") {
		a.t.Errorf("%s: %s, target %q, content type %q", service, r.Method, r.Header.Get("X-Amz-Target"), r.Header.Get("Content-Type"))
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if a.denied(w, service+":"+op, jsonError) {
		return
	}
	in := map[string]any{}
	if err := json.Unmarshal(body, &in); err != nil {
		a.t.Errorf("%s:%s: %v", service, op, err)
	}
	str := func(k string) string { s, _ := in[k].(string); return s }
	out, code := a.answer(service+":"+op, here, str, in)
	if code != "" {
		jsonError(w, http.StatusBadRequest, code, op)
		return
	}
	b, err := json.Marshal(out)
	if err != nil {
		a.t.Error(err)
	}
	if service == "dynamodb" {
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(b)))
	}
	_, _ = w.Write(b)
}

func (a *AWS) answer(call string, here bool, str func(string) string, in map[string]any) (out any, code string) {
	table := map[string]any{"TableName": a.Table, "TableStatus": "ACTIVE", "DeletionProtectionEnabled": a.Protected, "ItemCount": 42, "TableSizeBytes": 2e9}
	tableGone := call != "dynamodb:DescribeLimits" && strings.HasPrefix(call, "dynamodb:") && (!here || a.Table == "" || str("TableName") != a.Table)
	ruleGone := strings.HasSuffix(call, "Rule") && (a.RulesGone[str("Name")] || !slices.ContainsFunc(a.Resources, func(r Resource) bool { return r.Physical == str("Name") }))
	switch {
	case tableGone || ruleGone:
		return nil, "ResourceNotFoundException"
	case call == "servicequotas:ListServiceQuotas", call == "servicequotas:ListAWSDefaultServiceQuotas":
		qs := []map[string]any{}
		for _, q := range a.Quotas[str("ServiceCode")] {
			if q.Default == strings.Contains(call, "Default") {
				qs = append(qs, map[string]any{"ServiceCode": str("ServiceCode"), "QuotaCode": q.Code, "QuotaName": q.Name, "Value": q.Value, "Adjustable": !q.Fixed})
			}
		}
		return a.paged(qs, str("NextToken")), ""
	case call == "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota":
		rs := []map[string]any{}
		if v, ok := a.Pending[str("QuotaCode")]; ok {
			rs = append(rs, map[string]any{"QuotaCode": str("QuotaCode"), "DesiredValue": v, "Status": "CASE_OPENED", "Created": 1.79e9})
		}
		return map[string]any{"RequestedQuotas": rs}, ""
	case call == "states:ListStateMachines":
		return map[string]any{"stateMachines": []any{}}, ""
	case call == "states:DescribeStateMachine":
		return map[string]any{"stateMachineArn": str("stateMachineArn"), "status": a.Machine, "name": "x", "definition": "{}", "roleArn": "r", "type": "STANDARD", "creationDate": 1.79e9}, ""
	case call == "events:ListRules":
		return map[string]any{"Rules": []any{}}, ""
	case call == "events:DescribeRule":
		state := "ENABLED"
		if a.RulesOff[str("Name")] {
			state = "DISABLED"
		}
		return map[string]any{"Name": str("Name"), "State": state}, ""
	case call == "events:DisableRule":
		a.changing(call + " " + str("Name"))
		a.RulesOff[str("Name")] = true
		return map[string]any{}, ""
	case call == "dynamodb:DescribeLimits":
		return map[string]any{"TableMaxReadCapacityUnits": 40000}, ""
	case call == "dynamodb:DescribeTable":
		return map[string]any{"Table": table}, ""
	case call == "dynamodb:UpdateTable":
		a.changing(call)
		a.Protected, _ = in["DeletionProtectionEnabled"].(bool)
		return map[string]any{"TableDescription": table}, ""
	case call == "dynamodb:DeleteTable":
		if a.Protected {
			return nil, "ValidationException"
		}
		a.changing(call)
		a.Table = ""
		return map[string]any{"TableDescription": table}, ""
	case call == "kms:ListKeys":
		return map[string]any{"Keys": []any{}}, ""
	case call == "kms:DescribeKey":
		return map[string]any{"KeyMetadata": map[string]any{"KeyId": str("KeyId"), "KeyState": a.Key}}, ""
	}
	a.t.Errorf("%s is not known here", call)
	return nil, "UnknownOperationException"
}

// paged gives one quota a page, as a careless reader would not expect.
func (a *AWS) paged(qs []map[string]any, token string) map[string]any {
	at := 0
	_, _ = fmt.Sscanf(token, "page-%d", &at)
	if at >= len(qs) {
		return map[string]any{"Quotas": []any{}}
	}
	out := map[string]any{"Quotas": qs[at : at+1]}
	if at+1 < len(qs) {
		out["NextToken"] = fmt.Sprintf("page-%d", at+1)
	}
	return out
}

func (a *AWS) lambda(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || strings.Trim(r.URL.Path, "/") != "2016-08-19/account-settings" {
		a.t.Errorf("lambda: %s %s", r.Method, r.URL)
	}
	if a.denied(w, "lambda:GetAccountSettings", jsonError) {
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"AccountLimit": map[string]any{"ConcurrentExecutions": a.Concurrent, "UnreservedConcurrentExecutions": a.Unreserved}})
}

func (a *AWS) s3(w http.ResponseWriter, r *http.Request, here bool, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	fail := func(w http.ResponseWriter, status int, code, msg string) {
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, code, msg)
		}
	}
	action := map[string]string{"HEAD": "s3:ListBucket", "POST": "s3:DeleteObject", "DELETE": "s3:DeleteBucket"}[r.Method]
	switch {
	case r.Method == http.MethodGet && q.Has("notification"):
		action = "s3:GetBucketNotification"
	case r.Method == http.MethodGet && q.Has("versions"):
		action = "s3:ListBucketVersions"
	case r.Method == http.MethodGet && q.Has("uploads"):
		action = "s3:ListBucketMultipartUploads"
	case r.Method == http.MethodGet && q.Get("list-type") == "2":
		action = "s3:ListBucket"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		action = "s3:AbortMultipartUpload"
	}
	switch {
	case a.denied(w, action, fail):
		return
	case !here:
		fail(w, http.StatusMovedPermanently, "PermanentRedirect", "elsewhere")
		return
	case a.NoBucket || bucket != "inbox-1":
		fail(w, http.StatusNotFound, "NoSuchBucket", "none")
		return
	}
	a.bucket(w, r, action, key, body, fail)
}

func (a *AWS) bucket(w http.ResponseWriter, r *http.Request, action, key string, body []byte, fail func(http.ResponseWriter, int, string, string)) {
	switch {
	case r.Method == http.MethodHead:
	case action == "s3:GetBucketNotification":
		inner := "<EventBridgeConfiguration/>"
		if a.NoEvents {
			inner = ""
		}
		fmt.Fprintf(w, `<NotificationConfiguration>%s</NotificationConfiguration>`, inner)
	case action == "s3:ListBucket":
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated>`)
		for _, k := range slices.Sorted(maps.Keys(a.Objects)) {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><Size>%d</Size></Contents>`, k, a.Objects[k])
		}
		fmt.Fprint(w, `</ListBucketResult>`)
	case action == "s3:ListBucketVersions":
		fmt.Fprint(w, `<ListVersionsResult><IsTruncated>false</IsTruncated>`)
		for i, k := range slices.Sorted(maps.Keys(a.Objects)) {
			if i < 2 { // pages of two
				fmt.Fprintf(w, `<Version><Key>%s</Key><VersionId>null</VersionId></Version>`, k)
			}
		}
		fmt.Fprint(w, `</ListVersionsResult>`)
	case action == "s3:ListBucketMultipartUploads":
		fmt.Fprint(w, `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>`)
		for _, k := range a.Uploads {
			fmt.Fprintf(w, `<Upload><Key>%s</Key><UploadId>u</UploadId></Upload>`, k)
		}
		fmt.Fprint(w, `</ListMultipartUploadsResult>`)
	case action == "s3:DeleteObject":
		var in struct {
			Object []struct{ Key string }
		}
		if err := xml.Unmarshal(body, &in); err != nil || len(in.Object) == 0 {
			a.t.Errorf("DeleteObjects: %v of %s", err, body)
		}
		a.changing(fmt.Sprintf("s3:DeleteObjects %d", len(in.Object)))
		for _, o := range in.Object {
			delete(a.Objects, o.Key)
		}
		fmt.Fprint(w, `<DeleteResult></DeleteResult>`)
	case action == "s3:AbortMultipartUpload":
		a.changing(action)
		a.Uploads = slices.DeleteFunc(a.Uploads, func(k string) bool { return k == key })
		w.WriteHeader(http.StatusNoContent)
	case action == "s3:DeleteBucket":
		if len(a.Objects)+len(a.Uploads) > 0 {
			fail(w, http.StatusConflict, "BucketNotEmpty", "not empty")
			return
		}
		a.changing(action)
		a.NoBucket = true
		w.WriteHeader(http.StatusNoContent)
	default:
		a.t.Errorf("s3: %s %s", r.Method, r.URL)
	}
}
