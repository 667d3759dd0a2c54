"""What is made of a finished run: a merged model folder, a GGUF file, an Ollama Modelfile."""
