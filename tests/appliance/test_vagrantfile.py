"""The Vagrantfile makes the servers of the `ha` inventory: Ruby reads it, we play Vagrant.

Vagrant itself is not in Debian; what is checked is what our file tells it.
"""

import json
import subprocess

import yaml

from appliance.embedded.layout import ROOT

INVENTORY = ROOT / "appliance" / "ansible" / "inventories" / "ha" / "hosts.yml"
# Answers to every word, and remembers the machines with their networks.
PLAYED = """
require "json"
class Word
  attr_reader :said
  def initialize; @said = []; end
  def respond_to_missing?(*) = true
  def method_missing(name, *arguments, **options, &block)
    @said << [name, arguments, options]
    inner = (@inner ||= {})[[name, arguments]] ||= Word.new
    block&.call(inner)
    inner
  end
  def inside(*path) = path.reduce(self) { |word, step| word.instance_variable_get(:@inner)[step] }
end
module Vagrant
  def self.configure(version)
    config = Word.new
    yield config
    machines = config.vm.said.select { |name, *| name == :define }.map do |_, (name), _|
      vm = config.vm.inside([:define, [name]], [:vm, []])
      address = vm.said.find { |word, *| word == :network }[2][:ip]
      [name, [vm.said.find { |word, *| word == :hostname= }[1][0], address]]
    end
    puts JSON.dump({ version: version, box: config.vm.said[0][1][0], machines: machines.to_h })
  end
end
load ARGV[0]
"""


def test_the_vagrantfile_makes_the_servers_of_the_inventory():
    command = ["ruby", "-w", "-e", PLAYED, str(ROOT / "Vagrantfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    made = json.loads(done.stdout)
    hosts = yaml.safe_load(INVENTORY.read_text())["all"]["hosts"]
    assert made["machines"] == {name: [name, host["ansible_host"]] for name, host in hosts.items()}
    assert len(made["machines"]) >= 3
    assert made["box"] == "debian/trixie64"
    assert made["version"] == "2"
