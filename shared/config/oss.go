package config

import (
	"encoding/json"
	"regexp"
)

var (
	ossBucket   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]+[a-z0-9]$`)
	ossEndpoint = regexp.MustCompile(`^https://oss-[a-z0-9-]+\.aliyuncs\.com$`)
)

func ossBuckets(c *Config, v string) string {
	const rule = `a JSON object of buckets and their endpoints, such as {"media-in":"https://oss-cn-shanghai.aliyuncs.com"}`
	var in map[string]string
	if json.Unmarshal([]byte(v), &in) != nil {
		return rule
	}
	for name, endpoint := range in {
		if len(name) < 3 || len(name) > 63 || !ossBucket.MatchString(name) || len(endpoint) > 100 || !ossEndpoint.MatchString(endpoint) {
			return rule
		}
	}
	c.OSSBuckets = in
	return ""
}
