"""Translates a SAM template as CloudFormation's transform does (AWS's own aws-sam-translator): translate.py TEMPLATE.

Prints the plain CloudFormation template. cfn-lint does not look at references inside SAM's own resource types; in the
translation it does. Needs no account: the template names no managed policies.
"""
import json
import sys

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser import parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

REGION = "eu-central-1"


class Session:
    """What the translator wants of boto3: a region."""

    region_name = REGION


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        template = yaml_parse(f)
    # The translator wants places in a bucket, which is what sam package puts there.
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = "s3://artifacts/" + properties["CodeUri"].rstrip("/")
        if resource["Type"] == "AWS::Serverless::StateMachine":
            properties["DefinitionUri"] = "s3://artifacts/" + properties["DefinitionUri"]
    try:
        translated = Translator({}, parser.Parser(), boto_session=Session()).translate(template, {})
    except InvalidDocumentException as e:
        for cause in e.causes:
            print(cause.message, file=sys.stderr)
        return 1
    json.dump(translated, sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
